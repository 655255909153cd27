//! Measures Warrener on RabbitMQ beside a raw client and beside its embedded broker: one node, one run, turn by turn, so
//! that what else the machine does meets all of them. Run it with `cargo xtask bench [--tasks N] [--repetitions N]`.
//!
//! Each turn is a new vhost and a new store. It measures three things: one task at a time (`latency` in the code: from before
//! the submit to the handler's first line, and to the recorded result), all tasks at once (`load`), and a task that waits
//! for a thousand (`fan`).
#![allow(clippy::print_stdout, reason = "it prints figures")]

mod counted;
mod cpu;
mod load;
mod ours;
mod raw;
mod tables;

use load::{SLOTS, Turn, WINDOW};
use std::error::Error;
use tables::Way;
use warrener_testkit::rabbit::{Node, Options};

/// What every part here gives where it fails: a person reads it.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let [tasks, repetitions] = numbers(std::env::args().skip(1), [4_000, 5])?;
    let node = Node::start(&Options::default());
    let broker: u32 = node.eval("os:getpid().").trim_matches('"').parse()?;
    println!(
        "RabbitMQ {}; {tasks} tasks of 1 KiB, {SLOTS} slots, a window of {WINDOW}; {repetitions} turns each\n",
        node.install().version()
    );
    let mut turns = vec![vec![]; Way::ALL.len()];
    for _ in 0..repetitions {
        for (way, turns) in Way::ALL.into_iter().zip(&mut turns) {
            turns.push(measure(way, &node, broker, tasks)?);
        }
    }
    let begun: Vec<(Way, Vec<Turn>)> = Way::ALL.into_iter().zip(turns).collect();
    println!("{}", tables::times(&begun));
    println!("{}", tables::costs(&begun));
    println!("{}", tables::threads(&begun));
    println!("{}", tables::messages(&begun));
    Ok(())
}

/// The numbers given, and for those that are not given these.
fn numbers<const N: usize>(
    given: impl Iterator<Item = String>,
    mut numbers: [usize; N],
) -> Result<[usize; N]> {
    for (n, text) in given.enumerate() {
        let number: usize = text
            .parse()
            .map_err(|e| format!("\"{text}\" is no number: {e}"))?;
        let place = numbers.get_mut(n);
        let place = place.ok_or_else(|| format!("at most {N} numbers: tasks, repetitions"))?;
        if number == 0 {
            return Err("nothing is measured with 0 tasks or 0 repetitions".into());
        }
        *place = number;
    }
    Ok(numbers)
}

/// One turn. The runtime is its own, so that no thread of another turn is counted.
fn measure(way: Way, node: &Node, broker: u32, tasks: usize) -> Result<Turn> {
    let vhost = node.vhost();
    let runtime = tokio::runtime::Runtime::new()?;
    let url = vhost.url();
    let turn = runtime.block_on(async {
        match way {
            Way::Raw => raw::measure(&url, broker, tasks).await,
            Way::Claim | Way::Fast => ours::on_rabbit(way, &url, broker, tasks).await,
            Way::Embedded => ours::embedded(broker, tasks).await,
        }
    });
    turn.map_err(|error| format!("{}: {error}", way.name()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn given(words: &[&str]) -> Result<[usize; 2]> {
        numbers(words.iter().map(ToString::to_string), [7, 8])
    }

    #[test]
    fn numbers_are_read_in_order_and_checked() {
        assert_eq!(given(&[]).unwrap(), [7, 8]);
        assert_eq!(given(&["5"]).unwrap(), [5, 8]);
        assert_eq!(given(&["5", "6"]).unwrap(), [5, 6]);
        for wrong in [&["0"] as &[&str], &["x"], &["1", "2", "3"]] {
            assert!(given(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_turn_of_each_way_counts_what_it_sends_and_takes_time() {
        let node = Node::start(&Options::default());
        let broker: u32 = node.eval("os:getpid().").trim_matches('"').parse().unwrap();
        // The system counts in ticks of 10 ms: one turn may be less than that.
        let mut used = std::time::Duration::ZERO;
        for way in Way::ALL {
            let began = Instant::now();
            let turn = measure(way, &node, broker, 20).unwrap();
            assert!(turn.fan > std::time::Duration::ZERO);
            assert!(turn.wall > std::time::Duration::ZERO && turn.wall < began.elapsed());
            assert_eq!(turn.start.len(), turn.recorded.len());
            let sent: u64 = turn.messages.values().sum();
            match way {
                Way::Raw => assert_eq!(sent, 40, "a task and a result each"),
                Way::Fast => assert_eq!(turn.messages["task"] + turn.messages["outcome"], 40),
                Way::Claim => {
                    assert!(turn.messages["claim"] >= 20);
                    assert!(turn.messages["claim.granted"] >= 20);
                }
                Way::Embedded => assert!(sent >= 40),
            }
            let commits = turn.calls.get("commit").copied().unwrap_or(0);
            assert_eq!(commits > 0, way != Way::Raw, "{commits} commits");
            used += turn.cpu.own;
        }
        assert!(used > std::time::Duration::ZERO);
    }
}
