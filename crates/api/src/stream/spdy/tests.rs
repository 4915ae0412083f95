use flate2::{Compress, Compression, FlushCompress};

use super::header_block::{DICTIONARY_ID, dictionary};
use super::*;

/// The client's side of a connection.
struct Client {
    zlib: Compress,
}

impl Client {
    fn new() -> Client {
        let mut zlib = Compress::new(Compression::best(), true);
        assert_eq!(zlib.set_dictionary(&dictionary()).unwrap(), DICTIONARY_ID);
        Client { zlib }
    }

    fn begin(&mut self, stream: u32, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut plain = u32::try_from(headers.len()).unwrap().to_be_bytes().to_vec();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
            plain.extend_from_slice(text.as_bytes());
        }
        let mut block = Vec::with_capacity(plain.len() + 1_024);
        self.zlib
            .compress_vec(&plain, &mut block, FlushCompress::Sync)
            .unwrap();
        let mut bytes = control_head(1, 10 + block.len());
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&block);
        bytes
    }
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn the_dictionary_is_the_one_of_the_draft() {
    assert_eq!(dictionary().len(), 1_423);
}

#[test]
fn streams_and_their_data_are_read_however_the_bytes_are_cut() {
    let mut client = Client::new();
    let mut bytes = client.begin(1, &[("Streamtype", "error"), ("port", "80")]);
    bytes.extend(client.begin(3, &[("streamtype", "data"), ("port", "80")]));
    bytes.extend(Encoder::data(3, b"hello", true));
    bytes.extend(Encoder::ping(7));
    bytes.extend(Encoder::reset(1));
    let mut whole = Decoder::new().decode(&bytes).unwrap();
    let expected = vec![
        Frame::Begin {
            stream: 1,
            headers: headers(&[("streamtype", "error"), ("port", "80")]),
            last: false,
        },
        Frame::Begin {
            stream: 3,
            headers: headers(&[("streamtype", "data"), ("port", "80")]),
            last: false,
        },
        Frame::Data {
            stream: 3,
            bytes: b"hello".to_vec(),
            last: true,
        },
        Frame::Ping { id: 7 },
        Frame::Reset { stream: 1 },
    ];
    assert_eq!(whole, expected);
    for size in 1..40 {
        let mut decoder = Decoder::new();
        let mut pieces: Vec<Frame> = Vec::new();
        for piece in bytes.chunks(size) {
            pieces.extend(decoder.decode(piece).unwrap());
        }
        // Data may come in more pieces; together they are the same.
        join(&mut pieces);
        join(&mut whole);
        assert_eq!(pieces, whole, "cut every {size} bytes");
    }
}

fn join(frames: &mut Vec<Frame>) {
    frames.dedup_by(|next, before| match (before, next) {
        (
            Frame::Data { bytes, last, .. },
            Frame::Data {
                bytes: more,
                last: end,
                ..
            },
        ) => {
            bytes.append(more);
            *last |= *end;
            true
        }
        _ => false,
    });
}

#[test]
fn our_replies_can_be_read_by_the_other_side() {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new();
    // A reply is no frame that we would act on, but its header block must unpack.
    assert_eq!(decoder.decode(&encoder.accept(1)), Ok(Vec::new()));
    let later = encoder.accept(3);
    assert_eq!(decoder.decode(&later), Ok(Vec::new()));
    // What kubectl's reader needs to see the block's end.
    assert!(later.ends_with(&[0, 0, 0, 0xff, 0xff]));
    assert!(decoder.decode(&Encoder::new().accept(5)).is_err());
}

#[test]
fn an_empty_data_frame_ends_its_stream() {
    let frames = Decoder::new().decode(&Encoder::data(5, b"", true)).unwrap();
    assert_eq!(
        frames,
        [Frame::Data {
            stream: 5,
            bytes: Vec::new(),
            last: true
        }]
    );
}

#[test]
fn header_blocks_that_unpack_to_too_much_are_refused() {
    let long = "a".repeat(20 * 1024);
    let bytes = Client::new().begin(1, &[("port", &long)]);
    assert!(bytes.len() < 1_000);
    assert_eq!(Decoder::new().decode(&bytes), Err(SpdyError::Headers));
}

#[test]
fn long_control_frames_are_refused_before_they_are_kept() {
    assert_eq!(
        Decoder::new().decode(&control_head(1, CONTROL_MAX + 1)),
        Err(SpdyError::TooLong(CONTROL_MAX + 1))
    );
}

/// Xorshift: the same garbage every time.
fn garbage(seed: &mut u64) -> u8 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    seed.to_le_bytes()[3]
}

#[test]
fn random_and_bent_bytes_are_never_the_end_of_us() {
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let mut client = Client::new();
    let mut sound = client.begin(1, &[("streamtype", "error"), ("requestid", "0")]);
    sound.extend(Encoder::data(1, &[7; 300], false));
    sound.extend(client.begin(3, &[("streamtype", "data"), ("requestid", "0")]));
    let mut errors = 0;
    for round in 0..20_000 {
        let mut decoder = Decoder::new();
        let bytes: Vec<u8> = if round % 2 == 0 {
            let mut bent = sound.clone();
            for _ in 0..=round % 5 {
                let at = (usize::from(garbage(&mut seed)) << 8 | usize::from(garbage(&mut seed)))
                    % bent.len();
                bent[at] = garbage(&mut seed);
            }
            bent
        } else {
            // Half of it control frames, so that more than the first bytes is looked at.
            let mut bytes = control_head(garbage(&mut seed) % 10, usize::from(garbage(&mut seed)));
            bytes.extend((0..300).map(|_| garbage(&mut seed)));
            bytes
        };
        for piece in bytes.chunks(1 + usize::from(garbage(&mut seed))) {
            match decoder.decode(piece) {
                Ok(frames) => assert!(frames.len() <= 300),
                Err(_) => {
                    errors += 1;
                    break;
                }
            }
            assert!(decoder.waiting.len() <= CONTROL_MAX + 8);
        }
    }
    assert!(
        errors > 1_000,
        "the garbage was refused {errors} times only"
    );
}
