//! Is a log read back as it was written?

use super::*;

const NOON: u64 = 1_795_435_200_000_000_000;

/// A small generator, so that a failure is told by its seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn output(&mut self) -> Vec<u8> {
        let mut output = Vec::new();
        for _ in 0..self.below(12) {
            let length = match self.below(8) {
                0 => PART_BYTES - 1 + self.below(3),
                1 => 2 * PART_BYTES - 1 + self.below(3),
                2 => self.below(5 * PART_BYTES),
                3 => 0,
                _ => self.below(200),
            };
            let letter = [b'a', b' ', 0, 0xff][self.below(4)];
            output.resize(output.len() + length, letter);
            output.push(b'\n');
        }
        if self.below(2) == 0 {
            output.pop();
        }
        output
    }
}

fn cut<'a>(random: &mut Random, bytes: &'a [u8], longest: usize) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (part, left) = rest.split_at((1 + random.below(longest)).min(rest.len()));
        parts.push(part);
        rest = left;
    }
    parts
}

fn write(writer: &mut Writer, mut input: &[u8], log: &mut Vec<u8>, limit: usize) {
    while !input.is_empty() {
        let mut out = Vec::new();
        input = writer.push(input, &TimeText::new(NOON), &mut out, limit);
        log.append(&mut out);
    }
}

#[test]
fn reader_after_writer_is_identity_however_both_are_cut() {
    for seed in 1..400 {
        let mut random = Random(seed * 0x9e37_79b9);
        let sent = [random.output(), random.output()];
        let mut log = Vec::new();
        for (stream, output) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&sent) {
            let mut writer = Writer::new(stream);
            let limit = 1 + random.below(100_000);
            for part in cut(&mut random, output, 20_000) {
                write(&mut writer, part, &mut log, limit);
            }
            writer.finish(&TimeText::new(NOON), &mut log);
        }
        let mut got = [Vec::new(), Vec::new()];
        let mut reader = Reader::default();
        for part in cut(&mut random, &log, 9000) {
            reader.push(part);
            while let Some(entry) = reader.entry() {
                let entry = entry.unwrap();
                assert!(entry.text.len() <= PART_BYTES, "seed {seed}");
                assert!(!entry.partial || !entry.text.is_empty(), "seed {seed}");
                entry.append_to(&mut got[usize::from(entry.stream == Stream::Stderr)]);
            }
        }
        assert_eq!(reader.torn_bytes(), 0, "seed {seed}");
        assert!(got == sent, "seed {seed}");
    }
}

#[test]
fn the_same_output_makes_the_same_log_however_it_is_cut() {
    for seed in 1..50 {
        let mut random = Random(seed * 77);
        let output = random.output();
        let log_of = |parts: &[&[u8]]| {
            let (mut writer, mut log) = (Writer::new(Stream::Stdout), Vec::new());
            parts
                .iter()
                .for_each(|part| write(&mut writer, part, &mut log, usize::MAX));
            writer.finish(&TimeText::new(NOON), &mut log);
            log
        };
        let parts = cut(&mut random, &output, 3000);
        assert!(log_of(&parts) == log_of(&[&output]), "seed {seed}");
    }
}

#[test]
fn a_line_of_16_kib_is_one_entry_and_a_byte_more_makes_two() {
    for (length, tags) in [
        (PART_BYTES, "F"),
        (PART_BYTES + 1, "PF"),
        (2 * PART_BYTES, "PF"),
    ] {
        let mut line = vec![b'x'; length];
        line.push(b'\n');
        let mut log = Vec::new();
        Writer::new(Stream::Stdout).push(&line, &TimeText::new(NOON), &mut log, usize::MAX);
        let lines = log
            .strip_suffix(b"\n")
            .unwrap()
            .split(|&byte| byte == b'\n');
        let got: String = lines
            .map(|line| {
                if parse(line).unwrap().partial {
                    'P'
                } else {
                    'F'
                }
            })
            .collect();
        assert_eq!(got, tags, "{length}");
    }
}

#[test]
fn an_entry_reads_as_the_cri_says_and_a_torn_one_waits() {
    let mut reader = Reader::default();
    reader.push(b"2026-11-23T12:00:00.000000000Z stderr P a  b\ngarbage\n2026-11-2");
    let entry = reader.entry().unwrap().unwrap();
    let expected = Entry {
        time: "2026-11-23T12:00:00.000000000Z",
        stream: Stream::Stderr,
        partial: true,
        text: b"a  b",
    };
    assert_eq!(entry, expected);
    assert_eq!(reader.entry(), Some(Err(Malformed("garbage".to_owned()))));
    assert_eq!(reader.entry(), None);
    assert_eq!(reader.torn_bytes(), 9);
    reader.push(b"3T12:00:00Z stdout F \n");
    assert_eq!(reader.entry().unwrap().unwrap().text, b"");
}
