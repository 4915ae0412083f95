//! A record that was damaged in any way is read or refused, nothing else; and what is read of it can be planned with.
//!
//! Records of b1e0b9e, whose lines have no checksum, so that damage gets as far as it can.
//! `OUTRIGGER_FUZZ_SECONDS`: for how long (1); 10 in `scripts/test`, longer in `scripts/night`. `OUTRIGGER_FUZZ_SEED`: the
//! first damage; a failure names its own.

use std::time::Instant;

use super::*;

const GOOD: [&[u8]; 3] = [
    include_bytes!("released/0.1.0-b1e0b9e/life.jsonl"),
    include_bytes!("released/0.1.0-b1e0b9e/stays.jsonl"),
    include_bytes!("released/0.1.0-b1e0b9e/done.jsonl"),
];
const NUMBERS: [&str; 5] = ["0", "1", "4294967295", "18446744073709551615", "-1"];
const SCRAPS: [&str; 9] = ["\n", "\"", "{", "}", "[", ",", "null", "{}", "\u{0}"];

/// A linear congruential generator; a seed gives the same damage every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

/// Names the seed when something panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("OUTRIGGER_FUZZ_SEED={}", self.0);
        }
    }
}

fn given(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

fn damaged(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = GOOD[dice.below(GOOD.len())].to_vec();
    for _ in 0..=dice.below(3) {
        let (one, other) = (dice.below(bytes.len() + 1), dice.below(bytes.len() + 1));
        let (from, to) = (one.min(other), one.max(other));
        match dice.below(8) {
            0 => drop(bytes.splice(from..from, SCRAPS[dice.below(SCRAPS.len())].bytes())),
            1 => bytes.truncate(to),
            2 => bytes
                .iter_mut()
                .skip(from)
                .take(1)
                .for_each(|byte| *byte ^= 1 << (to % 8)),
            // A number in the place of another one.
            3..6 => {
                let digit = |byte: &u8| byte.is_ascii_digit();
                let begin = from + bytes[from..].iter().position(digit).unwrap_or(0);
                let length = bytes[begin..].iter().take_while(|byte| digit(byte)).count();
                let number = NUMBERS[dice.below(NUMBERS.len())];
                bytes.splice(begin..begin + length, number.bytes());
            }
            // A line gone, twice, or in another place.
            what => {
                let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
                if !lines.is_empty() {
                    let line = lines[dice.below(lines.len())];
                    lines.insert(dice.below(lines.len() + 1), line);
                    if what == 6 {
                        lines.remove(dice.below(lines.len()));
                    }
                }
                bytes = lines.concat();
            }
        }
    }
    bytes
}

#[test]
fn a_damaged_record_is_read_or_refused() {
    let scratch = Scratch::new();
    let file = scratch.path.join("u.jsonl");
    let until = Instant::now() + Duration::from_secs(given("OUTRIGGER_FUZZ_SECONDS", 1));
    let (mut seed, mut tried, mut understood) = (given("OUTRIGGER_FUZZ_SEED", 1), 0, 0);
    while tried < 300 || Instant::now() < until {
        let named = Seed(seed);
        let bytes = damaged(&mut Dice(named.0));
        std::fs::write(&file, &bytes).unwrap();
        if let Ok(told) = read(&file) {
            understood += 1;
            assert!(told.length <= bytes.len() as u64);
            let mut seen = told.seen.clone();
            shift(&mut seen, -1_000_000_000);
            drop(outrigger_lifecycle::open_steps(&told.pod, &told.seen));
            let now = Time(315_361_511_850_000_000);
            drop(outrigger_lifecycle::plan(&told.pod, &told.seen, now));
        }
        (seed, tried) = (seed.wrapping_add(1), tried + 1);
    }
    println!("{tried} damaged records, {understood} understood all the same");
    assert!(
        understood > 0,
        "none was damaged so little that it was understood"
    );
}
