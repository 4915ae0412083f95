//! Which moments does chance choose? The same seed chooses the same ones.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of chance.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// From the seed in this variable, or a fresh one; it is printed, so that it can be given again.
    #[must_use]
    pub fn of_variable(name: &str) -> Chance {
        let given = std::env::var(name).ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.map_or(1, |now| now.as_nanos() as u64 % 1_000_000_007)
        });
        println!("seed: {name}={seed}");
        Chance(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// Another source, whose choices depend only on this seed and the number.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Chance {
        let mut first = Chance(self.0 ^ u64::from(number).wrapping_mul(0xd134_2543_de82_ef95));
        Chance(first.next())
    }

    /// A number below this one, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn next(&mut self) -> u64 {
        // SplitMix64, which is good enough for choosing moments and takes any seed.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A time to wait, exponential with this mean, and at most five times as long.
    pub fn wait(&mut self, mean: Duration) -> Duration {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        mean.mul_f64((-(1.0 - unit).ln()).min(5.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_have_the_mean_that_was_asked_for_and_a_seed_repeats_them() {
        let waits = |seed| {
            let mut chance = Chance(seed);
            let wait = move |_| chance.wait(Duration::from_secs(1)).as_secs_f64();
            (0..10_000).map(wait).collect::<Vec<f64>>()
        };
        let mean = waits(7).iter().sum::<f64>() / 10_000.0;
        assert!((0.95..1.05).contains(&mean), "{mean}");
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }
}
