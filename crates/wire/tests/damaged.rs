//! Frames as they were never sent, from a shim or a node gone mad: they are read or refused, nothing else, and what was
//! read can be said again.
//!
//! `OUTRIGGER_FUZZ_SECONDS`: for how long (1); 10 in `scripts/test`, longer in `scripts/night`. `OUTRIGGER_FUZZ_SEED`: the
//! first damage; a failure names its own.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its fixtures has failed"
)]

use std::time::{Duration, Instant};

use outrigger_wire::frame::{Decoder, FrameError, MAX_BYTES, encode};
use outrigger_wire::{Call, LedgerEntry, Message};
use serde::Serialize;
use serde::de::DeserializeOwned;

const GOOD: [&str; 2] = [
    include_str!("released/0.1.0-b1e0b9e/calls.txt"),
    include_str!("released/0.1.0-b1e0b9e/messages.txt"),
];
const SCRAPS: [&str; 16] = [
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "-1",
    "1e999",
    "18446744073709551616",
    "\u{0}",
    "ü",
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

fn damaged(dice: &mut Dice, good: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=dice.below(4) {
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
            4 => bytes[from..to].reverse(),
            _ => bytes
                .iter_mut()
                .skip(from)
                .take(1)
                .for_each(|byte| *byte ^= 1 << (to % 8)),
        }
        bytes.truncate(64 << 10);
    }
    bytes
}

fn has_fraction(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => number.is_f64(),
        serde_json::Value::Array(values) => values.iter().any(has_fraction),
        serde_json::Value::Object(fields) => fields.values().any(has_fraction),
        _ => false,
    }
}

/// Reads all that comes, in two parts. Gives how many messages were in it.
fn read<M>(bytes: &[u8], cut: usize) -> usize
where
    M: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug,
{
    let (mut decoder, mut count) = (Decoder::default(), 0);
    for part in [&bytes[..cut], &bytes[cut..]] {
        decoder.push(part);
        loop {
            match decoder.message::<M>() {
                Ok(Some(message)) => {
                    count += 1;
                    let mut again = Decoder::default();
                    again.push(&encode(&message).unwrap());
                    let told = again.message::<M>().unwrap();
                    // JSON's reader takes the nearest number or its neighbour for a fraction.
                    let is_exact = !has_fraction(&serde_json::to_value(&message).unwrap());
                    assert!(if is_exact {
                        told == Some(message)
                    } else {
                        told.is_some()
                    });
                }
                Ok(None) => break,
                // The connection is of no use any more.
                Err(_) => return count,
            }
        }
    }
    count
}

#[test]
fn damaged_frames_are_read_or_refused() {
    let frames: Vec<Vec<u8>> = GOOD
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| {
            let body = line.split_once('\t').unwrap().1.as_bytes();
            let length = u32::try_from(body.len()).unwrap();
            [&length.to_le_bytes(), body].concat()
        })
        .collect();
    let until = Instant::now() + Duration::from_secs(given("OUTRIGGER_FUZZ_SECONDS", 1));
    let (mut seed, mut tried, mut understood) = (given("OUTRIGGER_FUZZ_SEED", 1), 0, 0);
    while tried < 1_000 || Instant::now() < until {
        let named = Seed(seed);
        let mut dice = Dice(named.0);
        let good = &frames[dice.below(frames.len())];
        let bytes = match dice.below(4) {
            // The length too.
            0 => damaged(&mut dice, good),
            _ => {
                let body = damaged(&mut dice, &good[4..]);
                let length = u32::try_from(body.len()).unwrap();
                [&length.to_le_bytes(), &body[..]].concat()
            }
        };
        let cut = dice.below(bytes.len() + 1);
        understood += read::<Call>(&bytes, cut) + read::<Message>(&bytes, cut);
        drop(LedgerEntry::read(&bytes));
        (seed, tried) = (seed.wrapping_add(1), tried + 1);
    }
    println!("{tried} damaged frames, {understood} understood all the same");
    assert!(
        understood > 0,
        "none was damaged so little that it was understood"
    );
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_anything_of_it_comes() {
    for length in [MAX_BYTES as u32 + 1, 1 << 31, u32::MAX] {
        let mut decoder = Decoder::default();
        decoder.push(&length.to_le_bytes());
        let refused = decoder.message::<Message>();
        assert!(matches!(refused, Err(FrameError::TooLong(_))), "{length}");
    }
    let mut decoder = Decoder::default();
    decoder.push(&(MAX_BYTES as u32).to_le_bytes());
    assert!(matches!(decoder.message::<Message>(), Ok(None)));
}

#[test]
fn what_is_nested_too_deeply_is_refused() {
    let body = "[".repeat(1 << 20);
    let mut decoder = Decoder::default();
    decoder.push(&u32::try_from(body.len()).unwrap().to_le_bytes());
    decoder.push(body.as_bytes());
    assert!(decoder.message::<serde_json::Value>().is_err());
}
