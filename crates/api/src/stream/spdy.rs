//! What do the bytes of a SPDY/3.1 connection say? Frames, as far as port forwarding needs them.
//!
//! kubectl forwards ports by SPDY streams, today within the messages of a WebSocket. This decoder
//! takes bytes from strangers: it keeps no more than one control frame, and hands data on as it comes.

mod header_block;

use header_block::{Inflater, empty_block};

/// Longer control frames are refused.
const CONTROL_MAX: usize = 64 * 1024;
/// The largest piece of data that one frame of ours carries.
pub(super) const DATA_MAX: usize = 32 * 1024;
const VERSION: u16 = 3;
const FLAG_FIN: u8 = 1;

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// A stream begins.
    Begin {
        stream: u32,
        headers: Vec<(String, String)>,
        last: bool,
    },
    /// A piece of a stream; `last` if nothing follows.
    Data {
        stream: u32,
        bytes: Vec<u8>,
        last: bool,
    },
    /// The other side wants no more of a stream.
    Reset { stream: u32 },
    /// To be sent back.
    Ping { id: u32 },
    /// No new streams will follow.
    GoAway,
}

/// The bytes are not SPDY/3.1 as we understand it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SpdyError {
    #[error("a control frame of SPDY version {0}, not 3")]
    Version(u16),
    #[error("a control frame of {0} bytes")]
    TooLong(usize),
    #[error("a frame that ends too early")]
    Short,
    #[error("a header block that cannot be read")]
    Headers,
    #[error("a stream without a number")]
    StreamZero,
}

/// Bytes in, frames out.
pub(super) struct Decoder {
    waiting: Vec<u8>,
    inflater: Inflater,
    /// The data frame that has begun: its stream, what is still to come, and whether it is the last.
    data: Option<(u32, usize, bool)>,
}

impl Decoder {
    pub(super) fn new() -> Decoder {
        Decoder {
            waiting: Vec::new(),
            inflater: Inflater::new(),
            data: None,
        }
    }

    /// All frames that are complete with these bytes.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, SpdyError> {
        self.waiting.extend_from_slice(bytes);
        let mut frames = Vec::new();
        let mut at = 0;
        while let Some(used) = self.step(at, &mut frames)? {
            at += used;
        }
        self.waiting.drain(..at);
        // A burst must not leave its memory behind for the rest of the connection.
        self.waiting.shrink_to(CONTROL_MAX);
        Ok(frames)
    }

    /// Takes what it can from position `at`: how many bytes, or `None` if more must come first.
    fn step(&mut self, at: usize, frames: &mut Vec<Frame>) -> Result<Option<usize>, SpdyError> {
        let rest = &self.waiting[at..];
        if let Some((stream, left, last)) = self.data {
            if left > 0 && rest.is_empty() {
                return Ok(None);
            }
            let now = left.min(rest.len());
            let over = now == left;
            frames.push(Frame::Data {
                stream,
                bytes: rest[..now].to_vec(),
                last: last && over,
            });
            self.data = (!over).then_some((stream, left - now, last));
            return Ok(Some(now));
        }
        let Some(head) = rest.first_chunk::<8>() else {
            return Ok(None);
        };
        let flags = head[4];
        let length = usize::from(head[5]) << 16 | usize::from(head[6]) << 8 | usize::from(head[7]);
        let word = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        if word >> 31 == 0 {
            if word == 0 {
                return Err(SpdyError::StreamZero);
            }
            self.data = Some((word, length, flags & FLAG_FIN != 0));
            return Ok(Some(8));
        }
        let version = u16::from_be_bytes([head[0] & 0x7f, head[1]]);
        if version != VERSION {
            return Err(SpdyError::Version(version));
        }
        if length > CONTROL_MAX {
            return Err(SpdyError::TooLong(length));
        }
        let Some(payload) = rest.get(8..8 + length) else {
            return Ok(None);
        };
        let kind = u16::from_be_bytes([head[2], head[3]]);
        if let Some(frame) = control(kind, flags, payload, &mut self.inflater)? {
            frames.push(frame);
        }
        Ok(Some(8 + length))
    }
}

fn control(
    kind: u16,
    flags: u8,
    payload: &[u8],
    inflater: &mut Inflater,
) -> Result<Option<Frame>, SpdyError> {
    Ok(match kind {
        1 => {
            let stream = stream_of(payload)?;
            let block = payload.get(10..).ok_or(SpdyError::Short)?;
            Some(Frame::Begin {
                stream,
                headers: inflater.headers(block)?,
                last: flags & FLAG_FIN != 0,
            })
        }
        // What they say is of no interest, but the compression goes on through all header blocks.
        2 | 8 => {
            stream_of(payload)?;
            inflater.headers(payload.get(4..).ok_or(SpdyError::Short)?)?;
            None
        }
        3 => Some(Frame::Reset {
            stream: stream_of(payload)?,
        }),
        6 => Some(Frame::Ping {
            id: word(payload).ok_or(SpdyError::Short)?,
        }),
        7 => Some(Frame::GoAway),
        // Settings, window updates and what is unknown: the peers of this protocol use no windows.
        _ => None,
    })
}

fn word(payload: &[u8]) -> Option<u32> {
    payload.first_chunk::<4>().copied().map(u32::from_be_bytes)
}

fn stream_of(payload: &[u8]) -> Result<u32, SpdyError> {
    match word(payload).ok_or(SpdyError::Short)? & 0x7fff_ffff {
        0 => Err(SpdyError::StreamZero),
        stream => Ok(stream),
    }
}

/// Frames of ours, as bytes.
pub(super) struct Encoder {
    replied: bool,
}

impl Encoder {
    pub(super) fn new() -> Encoder {
        Encoder { replied: false }
    }

    /// `SYN_REPLY` without headers: the stream is accepted.
    pub(super) fn accept(&mut self, stream: u32) -> Vec<u8> {
        let block = empty_block(!self.replied);
        self.replied = true;
        let mut bytes = control_head(2, 4 + block.len());
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(&block);
        bytes
    }

    /// A piece of a stream, at most [`DATA_MAX`] bytes.
    pub(super) fn data(stream: u32, piece: &[u8], last: bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + piece.len());
        bytes.extend_from_slice(&stream.to_be_bytes());
        let length = u32::try_from(piece.len()).unwrap_or(0).to_be_bytes();
        bytes.extend_from_slice(&[
            if last { FLAG_FIN } else { 0 },
            length[1],
            length[2],
            length[3],
        ]);
        bytes.extend_from_slice(piece);
        bytes
    }

    /// `RST_STREAM`: refused, or over.
    pub(super) fn reset(stream: u32) -> Vec<u8> {
        const REFUSED: u32 = 3;
        let mut bytes = control_head(3, 8);
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(&REFUSED.to_be_bytes());
        bytes
    }

    /// The answer to a ping.
    pub(super) fn ping(id: u32) -> Vec<u8> {
        let mut bytes = control_head(6, 4);
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes
    }
}

fn control_head(kind: u8, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(0).to_be_bytes();
    vec![0x80, 3, 0, kind, 0, length[1], length[2], length[3]]
}

#[cfg(test)]
mod tests;
