//! What do Pods and the machine use? Two looks make a rate; nothing is looked at while nobody asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use outrigger_api::{Refused, Usage, UsageOf};

use super::words;
use crate::hands::Hands;

/// An answer younger than this is given again.
const FRESH: Duration = Duration::from_secs(1);
/// A look older than this says little about now.
const STALE: Duration = Duration::from_secs(60);
/// Between two looks, if there is none to begin from.
const APART: Duration = Duration::from_millis(100);
/// So long a shim may take to answer: those who ask for all Pods wait for the slowest.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was used up to a moment: of each part its name, processor time in nanoseconds, and memory.
#[derive(Debug, Clone)]
struct Look {
    at: Instant,
    parts: Vec<(String, u64, u64)>,
}

#[derive(Debug)]
struct Known {
    look: Look,
    answer: Option<UsageOf>,
}

/// The newest looks, by the Pod's uid; the machine's by the empty one.
#[derive(Debug, Default)]
pub(crate) struct Usages {
    known: Mutex<BTreeMap<String, Known>>,
}

impl Usages {
    /// What a Pod's containers use.
    pub(crate) async fn of_pod(&self, hands: &Arc<Hands>) -> Result<UsageOf, Refused> {
        self.of(&hands.uid.0, || look_at_pod(hands)).await
    }

    /// What the machine uses.
    pub(crate) async fn of_node(&self) -> Result<UsageOf, Refused> {
        self.of("", || async { look_at_machine() }).await
    }

    async fn of<F>(&self, id: &str, look: impl Fn() -> F) -> Result<UsageOf, Refused>
    where
        F: Future<Output = Result<Look, Refused>>,
    {
        let before = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            match known.get(id) {
                Some(known) if known.look.at.elapsed() < FRESH => match &known.answer {
                    Some(answer) => return Ok(answer.clone()),
                    None => None,
                },
                Some(known) if known.look.at.elapsed() < STALE => Some(known.look.clone()),
                _ => None,
            }
        };
        let before = match before {
            Some(before) => before,
            None => {
                let first = look().await?;
                tokio::time::sleep(APART).await;
                first
            }
        };
        let now = look().await?;
        let answer = rate(&before, &now);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, known| known.look.at.elapsed() < STALE);
        known.insert(
            id.to_owned(),
            Known {
                look: now,
                answer: Some(answer.clone()),
            },
        );
        Ok(answer)
    }
}

fn rate(before: &Look, now: &Look) -> UsageOf {
    let window = now.at.saturating_duration_since(before.at);
    let nanos = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX).max(1);
    let containers = now.parts.iter().map(|(name, cpu_ns, memory_bytes)| {
        let same = before.parts.iter().find(|(known, ..)| known == name);
        // One that has been started since then began from nothing.
        let earlier = same.map_or(0, |(_, cpu_ns, _)| *cpu_ns);
        let used = u128::from(cpu_ns.saturating_sub(earlier));
        let usage = Usage {
            cpu_nanocores: u64::try_from(used * 1_000_000_000 / u128::from(nanos)).unwrap_or(0),
            memory_bytes: *memory_bytes,
        };
        (name.clone(), usage)
    });
    UsageOf {
        at_ns: i64::try_from(words::today().as_nanosecond()).unwrap_or(i64::MAX),
        window_ms: u64::try_from(window.as_millis()).unwrap_or(u64::MAX),
        containers: containers.collect(),
    }
}

async fn look_at_pod(hands: &Arc<Hands>) -> Result<Look, Refused> {
    let pod = hands.pod();
    let nothing = || Refused::NotFound(format!("podmetrics {:?} not found", pod.name));
    let shim = hands.shim().ok_or_else(nothing)?;
    let failed = |why: String| Refused::Internal(format!("ask what pod {} uses: {why}", pod.name));
    let stats = tokio::time::timeout(PATIENCE, shim.stats())
        .await
        .map_err(|_| failed("its shim does not answer".to_owned()))?
        .map_err(|error| failed(error.to_string()))?;
    let instances = hands
        .instances
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let parts = stats.containers.into_iter().filter_map(|(id, usage)| {
        let (slot, ..) = instances.by_id(&id)?;
        let name = &pod.containers.get(slot.0)?.name;
        Some((name.0.clone(), usage.cpu_ns, usage.memory_bytes))
    });
    Ok(Look {
        at: Instant::now(),
        parts: parts.collect(),
    })
}

fn look_at_machine() -> Result<Look, Refused> {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .map_err(|error| Refused::Internal(format!("read {path}: {error}")))
    };
    let meminfo = read("/proc/meminfo")?;
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024
    };
    let used = bytes("MemTotal:").saturating_sub(bytes("MemAvailable:"));
    Ok(Look {
        at: Instant::now(),
        parts: vec![(String::new(), busy_ns(&read("/proc/stat")?), used)],
    })
}

/// The time that all processors together did something: the first line tells it in hundredths of a
/// second as user, nice, system, idle, iowait, irq, softirq, steal.
fn busy_ns(stat: &str) -> u64 {
    const IDLE: [usize; 2] = [3, 4];
    let line = stat
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("cpu "));
    let fields = line.unwrap_or_default().split_whitespace().take(8);
    let busy = fields
        .enumerate()
        .filter(|(place, _)| !IDLE.contains(place))
        .filter_map(|(_, field)| field.parse::<u64>().ok());
    busy.sum::<u64>() * 10_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_was_used_between_two_looks() {
        let at = Instant::now();
        let look = |at, cpu_ns| Look {
            at,
            parts: vec![("main".to_owned(), cpu_ns, 7)],
        };
        let before = look(at, 1_000_000_000);
        let now = look(at + Duration::from_secs(2), 2_000_000_000);
        let usage = rate(&before, &now);
        assert_eq!(usage.window_ms, 2_000);
        assert_eq!(usage.containers[0].1.cpu_nanocores, 500_000_000);
        assert_eq!(usage.containers[0].1.memory_bytes, 7);
        // It was started again, and its time began anew.
        let anew = look(at + Duration::from_secs(2), 5);
        assert_eq!(rate(&before, &anew).containers[0].1.cpu_nanocores, 0);
    }

    #[test]
    fn idle_time_is_not_used() {
        assert_eq!(
            busy_ns("cpu  1 2 3 400 50 6 7 8 9 9\ncpu0 1\n"),
            270_000_000
        );
    }

    #[tokio::test]
    async fn who_asks_again_at_once_gets_the_same_answer() {
        let usages = Usages::default();
        let first = usages.of_node().await.unwrap();
        assert_eq!(usages.of_node().await.unwrap(), first);
        assert!(first.containers[0].1.memory_bytes > 0);
    }
}
