//! Who used the processor: this process, its threads by name, the broker, everything else. From `/proc`, to 10 ms.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Linux counts for user programs in hundredths of a second, on every architecture that RabbitMQ runs on.
const TICK: Duration = Duration::from_millis(10);

/// Time used, from when something was started or between two looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cpu {
    /// This process.
    pub(crate) own: Duration,
    /// The broker's.
    pub(crate) broker: Duration,
    /// All that the machine did, these two too.
    pub(crate) machine: Duration,
    /// This process by the names of its threads, those of a sort together.
    pub(crate) threads: BTreeMap<String, Duration>,
}

impl Cpu {
    /// Up to now.
    pub(crate) fn now(broker: u32) -> crate::Result<Cpu> {
        let mut threads: BTreeMap<String, Duration> = BTreeMap::new();
        for thread in fs::read_dir("/proc/self/task")? {
            // A thread may end between the list and the look.
            let text = fs::read_to_string(thread?.path().join("stat")).unwrap_or_default();
            if let Some((name, used)) = of_stat(&text) {
                *threads.entry(sort(name)).or_default() += used;
            }
        }
        let process = |path: String| -> crate::Result<Duration> {
            let text = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
            let (_, used) = of_stat(&text).ok_or_else(|| format!("{path} is not as expected"))?;
            Ok(used)
        };
        Ok(Cpu {
            own: process("/proc/self/stat".into())?,
            broker: process(format!("/proc/{broker}/stat"))?,
            machine: of_machine(&fs::read_to_string("/proc/stat")?).unwrap_or_default(),
            threads,
        })
    }

    /// What was used between an earlier look and this one.
    pub(crate) fn since(&self, earlier: &Cpu) -> Cpu {
        let threads = self.threads.iter().map(|(name, used)| {
            let before = earlier.threads.get(name).copied().unwrap_or_default();
            (name.clone(), used.saturating_sub(before))
        });
        Cpu {
            own: self.own.saturating_sub(earlier.own),
            broker: self.broker.saturating_sub(earlier.broker),
            machine: self.machine.saturating_sub(earlier.machine),
            threads: threads.collect(),
        }
    }

    /// What neither this process nor the broker used.
    pub(crate) fn others(&self) -> Duration {
        self.machine.saturating_sub(self.own + self.broker)
    }
}

/// Threads of a sort differ in a number behind their name.
fn sort(name: &str) -> String {
    let end = |c: char| c.is_ascii_digit() || c == '-' || c == ' ';
    name.trim_end_matches(end).to_owned()
}

/// The name and the time (user and system) in a line of `/proc/PID/stat`. The name may hold anything, brackets too.
fn of_stat(line: &str) -> Option<(&str, Duration)> {
    let (_, rest) = line.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let mut numbers = rest.split_ascii_whitespace().skip(11);
    let (user, system): (u32, u32) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    Some((name, TICK * (user + system)))
}

/// The time that all processors were busy, in `/proc/stat`.
fn of_machine(text: &str) -> Option<Duration> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u32> = line
        .split_ascii_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq
    let [user, nice, system, _, _, irq, softirq, ..] = fields[..] else {
        return None;
    };
    Some(TICK * (user + nice + system + irq + softirq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name_is() {
        let line = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20 0 9";
        let expected = ("a) b (c", Duration::from_millis(420));
        assert_eq!(of_stat(line), Some(expected));
        assert_eq!(of_stat("12 (a) S 1 2"), None);
    }

    #[test]
    fn the_machine_is_busy_with_all_but_idle_and_waiting() {
        let text = "cpu  1 2 3 400 500 6 7 0 0 0\ncpu0 1 2 3 4 5 6 7 0 0 0\n";
        assert_eq!(of_machine(text), Some(Duration::from_millis(190)));
        assert_eq!(of_machine("intr 1 2"), None);
    }

    #[test]
    fn threads_of_a_sort_are_one() {
        assert_eq!(sort("tokio-rt-worker"), "tokio-rt-worker");
        assert_eq!(sort("reader-12"), "reader");
    }

    #[test]
    fn what_was_used_between_two_looks_is_the_difference() {
        let ms = Duration::from_millis;
        let look = |own, thread| Cpu {
            own: ms(own),
            broker: ms(own * 2),
            machine: ms(own * 4),
            threads: [("a".to_owned(), ms(thread))].into(),
        };
        let used = look(50, 30).since(&look(20, 10));
        assert_eq!(
            (used.own, used.broker, used.others()),
            (ms(30), ms(60), ms(30))
        );
        assert_eq!(used.threads["a"], ms(20));
    }
}
