//! A ledger that was damaged in any way is read or refused, nothing else, and what was read of it counts on.
//!
//! `OUTRIGGER_FUZZ_SECONDS`: for how long (1); 10 in `scripts/test`, longer in `scripts/night`. `OUTRIGGER_FUZZ_SEED`: the
//! first damage; a failure names its own.

use super::*;

const GOOD: &[u8] = include_bytes!("released/0.1.0-b1e0b9e/ledger");
const SCRAPS: [&str; 10] = [
    "\n",
    "\n\n",
    "\"",
    "{",
    "}",
    ",",
    "null",
    "18446744073709551615",
    "-1",
    "\u{0}",
];

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
    let mut bytes = GOOD.to_vec();
    for _ in 0..=dice.below(3) {
        let (one, other) = (dice.below(bytes.len() + 1), dice.below(bytes.len() + 1));
        let (from, to) = (one.min(other), one.max(other));
        match dice.below(6) {
            0 => drop(bytes.splice(from..from, SCRAPS[dice.below(SCRAPS.len())].bytes())),
            1 => drop(bytes.drain(from..to)),
            2 => {
                let copy = bytes[from..to].to_vec();
                bytes.splice(from..from, copy);
            }
            3 => bytes.truncate(to),
            // A number in the place of another one.
            4 => {
                let digit = |byte: &u8| byte.is_ascii_digit();
                let begin = from + bytes[from..].iter().position(digit).unwrap_or(0);
                let length = bytes[begin..].iter().take_while(|byte| digit(byte)).count();
                let number = SCRAPS[7 + dice.below(2)];
                bytes.splice(begin..begin + length, number.bytes());
            }
            _ => bytes
                .iter_mut()
                .skip(from)
                .take(1)
                .for_each(|byte| *byte ^= 1 << (to % 8)),
        }
    }
    bytes
}

#[test]
fn a_damaged_ledger_is_read_or_refused() {
    let folder = folder();
    let path = folder.join("ledger");
    let until = Instant::now() + Duration::from_secs(given("OUTRIGGER_FUZZ_SECONDS", 1));
    let (mut seed, mut tried, mut read) = (given("OUTRIGGER_FUZZ_SEED", 1), 0, 0);
    while tried < 300 || Instant::now() < until {
        let named = Seed(seed);
        std::fs::write(&path, damaged(&mut Dice(named.0))).unwrap();
        match Ledger::open(&path, 1) {
            Ok(mut ledger) => {
                read += 1;
                let before = ledger.after(0).unwrap();
                ledger.note(AT, exited(3));
                let noted = ledger.commit().unwrap();
                let last = before.last().map_or(0, |event| event.seq);
                assert_eq!(noted[0].seq, last + 1, "after {before:?}");
                drop(ledger);
                let mut again = Ledger::open(&path, 1).unwrap();
                assert_eq!(again.after(0).unwrap(), [before, noted].concat());
            }
            Err(LedgerError::Damaged { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        (seed, tried) = (seed.wrapping_add(1), tried + 1);
    }
    println!("{tried} damaged ledgers, {read} read all the same");
    assert!(read > 0, "none was damaged so little that it was read");
}

#[test]
fn a_number_after_which_nobody_could_count_on_is_damage() {
    let folder = folder();
    let path = folder.join("ledger");
    let good = std::str::from_utf8(GOOD).unwrap();
    for number in [
        "18446744073709551615",
        "18446744073709551614",
        "9223372036854775807",
    ] {
        let first = good.lines().next().unwrap();
        let line = first.replacen("86400000000000", number, 1) + "\n";
        std::fs::write(&path, line).unwrap();
        let opened = Ledger::open(&path, 1);
        assert!(
            matches!(opened, Err(LedgerError::Damaged { line: 1, .. })),
            "{number}"
        );
    }
}
