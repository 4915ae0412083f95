//! A good manifest, damaged in a thousand ways: reading it must neither panic nor take long.

use std::time::{Duration, Instant};

use outrigger_pod::manifest::{SourceFile, read};
use outrigger_pod::render::{Severity, problems};

const GOOD: &str = include_str!("manifests/good.yaml");
const SCRAPS: [&str; 24] = [
    "\n",
    "  ",
    "\t",
    ":",
    ": ",
    "- ",
    "-",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "|\n",
    ">",
    "&a ",
    "*a",
    "!!str ",
    "#",
    "---\n",
    "<<: ",
    "ü",
    "\u{feff}",
    "999999999999999999999",
];

/// A linear congruential generator; the same damage every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    fn place(&mut self, text: &str) -> usize {
        let mut at = self.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

fn damaged(dice: &mut Dice) -> String {
    let mut text = GOOD.to_owned();
    for _ in 0..=dice.below(4) {
        let (from, to) = (dice.place(&text), dice.place(&text));
        let (from, to) = (from.min(to), from.max(to));
        match dice.below(4) {
            0 => text.insert_str(from, SCRAPS[dice.below(SCRAPS.len())]),
            1 => text.replace_range(from..to, ""),
            2 => {
                let copy = text[from..to].to_owned();
                let at = dice.place(&text);
                text.insert_str(at, &copy);
            }
            _ => text.truncate(to),
        }
    }
    text
}

#[test]
fn a_thousand_damaged_manifests_are_read_or_refused_in_no_time() {
    let mut accepted = 0;
    for seed in 0..1000 {
        let mut dice = Dice(seed);
        let text = damaged(&mut dice);
        let files = [SourceFile {
            name: "damaged.yaml".to_owned(),
            text,
        }];
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            match read(&files, &mut || "u".to_owned()) {
                Ok(_) => accepted += 1,
                Err(rejected) => {
                    assert!(!rejected.problems.is_empty());
                    let drawn = problems(&files, &rejected.problems, Severity::Error, true);
                    assert!(drawn.contains("damaged.yaml"), "seed {seed}: {drawn}");
                }
            }
            best = best.min(start.elapsed());
            if best < Duration::from_millis(50) {
                break;
            }
        }
        assert!(
            best < Duration::from_millis(50),
            "seed {seed} took {best:?}"
        );
    }
    assert!(accepted > 10, "{accepted} of 1000 were accepted");
}

#[test]
fn large_and_hostile_texts_end_soon() {
    const MIB: usize = 1 << 20;
    let unit = |text: &str| text.repeat(MIB / text.len());
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";
    let texts = [
        unit("["),
        unit("- "),
        unit("? "),
        unit("{a: "),
        unit("\""),
        unit("a\n"),
        unit("a: b\n"),
        unit("---\n"),
        unit("--- a\n"),
        unit("&a "),
        unit("x: 'y"),
        format!("{pod}unknown{}: 1", unit("a").split_at(MIB - 100).0),
        format!(
            "{pod}spec:\n  containers:\n{}",
            "  - {nam: 1, image: 2}\n".repeat(20_000)
        ),
        format!(
            "{pod}spec:\n  containers:\n{}",
            "  - {name: a, image: b}\n".repeat(10_000)
        ),
        "a".repeat(MIB + 1),
    ];
    for text in texts {
        let files = [SourceFile {
            name: "large.yaml".to_owned(),
            text,
        }];
        let start = Instant::now();
        if let Err(rejected) = read(&files, &mut || "u".to_owned()) {
            let first = &rejected.problems[..rejected.problems.len().min(100)];
            assert!(problems(&files, first, Severity::Error, false).contains("large.yaml"));
        }
        let took = start.elapsed();
        let text: String = files[0].text.chars().skip(50).take(60).collect();
        assert!(took < Duration::from_secs(10), "{text:?} took {took:?}");
    }
}
