//! Framing: each message is its length in bytes (u32, little-endian) and that many bytes of JSON.

use std::io::{self, Write};

use serde::{Serialize, de::DeserializeOwned};

/// The longest frame that is accepted, in bytes.
pub const MAX_BYTES: usize = 4 << 20;

/// A frame that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A length beyond [`MAX_BYTES`].
    #[error("a frame of {0} bytes is longer than {MAX_BYTES} bytes")]
    TooLong(usize),
    /// Bytes that are no message.
    #[error("not a message of this protocol")]
    Malformed(#[source] serde_json::Error),
}

/// The bytes of one message.
///
/// # Errors
/// If the message is too long.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut frame = Frame {
        bytes: vec![0; 4],
        length: 0,
    };
    serde_json::to_writer(&mut frame, message).map_err(FrameError::Malformed)?;
    let Frame { mut bytes, length } = frame;
    let prefix = u32::try_from(length).ok().filter(|_| length <= MAX_BYTES);
    bytes[..4].copy_from_slice(&prefix.ok_or(FrameError::TooLong(length))?.to_le_bytes());
    Ok(bytes)
}

/// Takes the bytes of a message as long as they fit a frame, and counts the others.
struct Frame {
    bytes: Vec<u8>,
    length: usize,
}

impl Write for Frame {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.length += part.len();
        if self.length <= MAX_BYTES {
            self.bytes.extend_from_slice(part);
        }
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Collects bytes and gives whole messages.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one.
    ///
    /// # Errors
    /// If the bytes are not of this protocol; the connection is of no use then.
    pub fn message<M: DeserializeOwned>(&mut self) -> Result<Option<M>, FrameError> {
        let Some(prefix) = self.bytes.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*prefix) as usize;
        if length > MAX_BYTES {
            return Err(FrameError::TooLong(length));
        }
        let Some(body) = self.bytes.get(4..4 + length) else {
            return Ok(None);
        };
        let message = serde_json::from_slice(body).map_err(FrameError::Malformed)?;
        self.bytes.drain(..4 + length);
        if self.bytes.is_empty() {
            self.bytes.shrink_to(4096);
        }
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_any_cut() {
        let sent = vec!["a".to_owned(), "b".repeat(1000)];
        let bytes: Vec<u8> = sent.iter().flat_map(|m| encode(m).unwrap()).collect();
        for cut in 0..bytes.len() {
            let mut decoder = Decoder::default();
            let mut got: Vec<String> = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                decoder.push(part);
                while let Some(message) = decoder.message().unwrap() {
                    got.push(message);
                }
            }
            assert_eq!(got, sent);
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_counted_and_not_kept() {
        let long = "b".repeat(MAX_BYTES);
        let refused = encode(&long).unwrap_err();
        assert!(matches!(refused, FrameError::TooLong(length) if length == MAX_BYTES + 2));
        assert!(encode(&&long[2..]).is_ok());
    }

    #[test]
    fn a_long_or_malformed_frame_is_refused() {
        let mut decoder = Decoder::default();
        decoder.push(&u32::MAX.to_le_bytes());
        assert!(matches!(
            decoder.message::<String>(),
            Err(FrameError::TooLong(_))
        ));
        let mut decoder = Decoder::default();
        decoder.push(&[1, 0, 0, 0, b'{']);
        assert!(matches!(
            decoder.message::<String>(),
            Err(FrameError::Malformed(_))
        ));
    }
}
