//! Looks at leases: a run is lost when nobody renewed it for a whole lease *while this server watched* (protocol.md
//! section 4). The watching is pure ([`Watch`]); the shell says whether everything was up all the while.

use crate::core::Core;
use crate::error::Result;
use crate::passed::Seen;
use crate::transition::{Intent, Moved};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warrener_backend::Address;
use warrener_backend::broker::Health;
use warrener_backend::query::HeldLease;
use warrener_model::life::{Event, Start};
use warrener_model::task::Task;
use warrener_model::{Lane, TaskId, Timestamp};

/// A tick that comes later than this after the last one watched nothing.
const GAP: Duration = Duration::from_secs(10);

/// The same, for a lease so short that an absence within [`GAP`] could end it by itself.
fn gap(lease: Duration) -> Duration {
    GAP.min(lease / 2)
}

/// Why a silent run is lost.
const SILENT: &str = "no heartbeat for a lease";
/// Offers given up in one go.
const OFFERS: usize = 500;

/// What was seen of each lease, and since when.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: HashMap<TaskId, (u64, Instant)>,
    last: Option<Instant>,
}

impl Watch {
    /// One look. Gives back the runs that were silent for a lease, with the `lease_seq` seen all the while.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        rows: &[HeldLease],
        lease: Duration,
        well: bool,
    ) -> Vec<(TaskId, u64)> {
        let away = self.was_away(now, lease);
        self.last = Some(now);
        if !well || away {
            // The silence may be ours.
            self.seen.clear();
        }
        let mut next = HashMap::with_capacity(rows.len());
        let mut silent = vec![];
        for row in rows {
            let since = match self.seen.get(&row.task) {
                Some((seq, since)) if *seq == row.lease_seq => *since,
                _ => now,
            };
            if now.duration_since(since) >= lease {
                silent.push((row.task, row.lease_seq));
            }
            next.insert(row.task, (row.lease_seq, since));
        }
        self.seen = next;
        silent
    }

    /// Whether the last look was so long ago that this process itself was away.
    pub(crate) fn was_away(&self, now: Instant, lease: Duration) -> bool {
        let last = self.last.map(|last| now.duration_since(last));
        last.is_some_and(|span| span > gap(lease))
    }
}

/// Runs until told to stop.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut watch = Watch::default();
    let timers = &core.options.timers;
    let every = timers.sweep.min(gap(timers.lease) / 2);
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = tick(&core, &mut watch).await {
            tracing::warn!(%error, "sweep waits");
            core.passed.forget();
            watch = Watch::default();
        }
    }
}

async fn tick(core: &Arc<Core>, watch: &mut Watch) -> Result<()> {
    if watch.was_away(Instant::now(), core.options.timers.lease) {
        core.registry.forgive();
        core.passed.forget();
    }
    let well = caught_up_soon(core).await && core.broker.health().await == Health::Up;
    let (view, lanes) = (core.registry.generation(), core.lanes_generation());
    let rows = core.store.held().await?;
    let now = core.now().await?;
    let silent = watch.look(Instant::now(), &rows, core.options.timers.lease, well);
    core.registry.resync(&rows, view);
    let settings = core.store.lanes().await?;
    core.refresh_paused(&settings, lanes);
    core.ready.notify_one();
    if well {
        crate::presence::expire(core, now).await?;
        overdue(core, now).await?;
    } else {
        core.registry.forgive();
        core.passed.forget();
    }
    let intents = silent
        .into_iter()
        .map(|(task, seen)| Intent::new(task, Event::Lost { seen }, "server").lost(SILENT));
    let mut letters = vec![];
    for moved in core.transitions(intents.collect()).await? {
        if let Moved::Yes(moved) = moved {
            letters.extend(core.letters(&moved, "", now));
        }
    }
    core.send(letters).await;
    Ok(())
}

/// Whether everything that is in the inboxes now is read within `caught_up`: then no result waits longer.
async fn caught_up_soon(core: &Core) -> bool {
    let until = Instant::now() + core.options.timers.caught_up;
    let Some(mark) = core.mark().await else {
        return false;
    };
    while !core.passed(&mark) {
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

/// Row 9: offers that nobody claimed; in fast lanes those that their queue passed, and that nobody spoke of since.
async fn overdue(core: &Arc<Core>, now: Timestamp) -> Result<()> {
    let unclaimed = now.minus(core.options.timers.offer_overdue);
    // The offers of fast lanes may wait for long: they do not hide the others behind them.
    let windows: usize = core.options.lanes.values().map(|lane| lane.window).sum();
    let read = Instant::now();
    let tasks = core.store.offered_before(now, OFFERS + windows).await?;
    if tasks.len() < OFFERS + windows {
        let out = tasks.iter().map(|task| task.id).collect();
        core.registry.offers_are(&out, read);
    }
    let passed = passed(core, &tasks, now).await;
    let late = tasks.iter().filter(|task| {
        let limit = match task.life.start {
            Start::Claim => Some(unclaimed),
            Start::Fast => passed.get(&task.spec.lane).copied(),
        };
        limit.is_some_and(|limit| task.life.offered_at < Some(limit))
    });
    let intents = late.map(|task| {
        let reason = match task.life.start {
            Start::Claim => "nobody claimed it in time",
            Start::Fast => "it left its queue, and nobody spoke of it in time",
        };
        let event = Event::Unoffer {
            offer: task.life.offer,
            again: false,
        };
        let detail = serde_json::json!({ "reason": reason });
        Intent::new(task.id, event, "server").detail(detail)
    });
    core.transitions(intents.collect()).await?;
    Ok(())
}

/// Up to which time the fast offers of each lane are overdue.
async fn passed(core: &Core, offered: &[Task], now: Timestamp) -> HashMap<Lane, Timestamp> {
    let timers = &core.options.timers;
    let fast = offered.iter().filter(|task| task.life.is_fast());
    let lanes: BTreeSet<&Lane> = fast.map(|task| &task.spec.lane).collect();
    let mut over = HashMap::new();
    for lane in lanes {
        let is_empty = match core.broker.depth(&Address::Offers(lane.clone())).await {
            Ok(depth) => depth.ready == 0,
            // A queue that is gone has nothing in it.
            Err(error) => matches!(error, warrener_backend::Error::NotFound(_)),
        };
        let seen = Seen {
            empty_at: is_empty.then_some(now),
            confirm: timers.confirm,
        };
        let limit = core
            .passed
            .look(lane, Instant::now(), timers.fast_overdue, seen);
        over.extend(limit.map(|limit| (lane.clone(), limit)));
    }
    over
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_model::agent::Who;
    use warrener_model::{AgentId, ClaimId, InstanceId};

    const LEASE: Duration = Duration::from_secs(45);

    fn row(seq: u64) -> HeldLease {
        HeldLease {
            task: TaskId::from_bytes([1; 16]),
            claim: ClaimId::from_bytes([2; 16]),
            who: Who {
                agent: AgentId::new("a").unwrap(),
                instance: InstanceId::random(1),
            },
            epoch: 1,
            lease_seq: seq,
            lane: Lane::default(),
        }
    }

    /// Looks every 5 s; each look says the lease_seq that is seen and whether all was well.
    fn watch(looks: &[(u64, bool)]) -> Vec<usize> {
        let start = Instant::now();
        let mut watch = Watch::default();
        let mut silent = vec![];
        for (i, (seq, well)) in looks.iter().enumerate() {
            let now = start + Duration::from_secs(5) * u32::try_from(i).unwrap();
            if !watch.look(now, &[row(*seq)], LEASE, *well).is_empty() {
                silent.push(i);
            }
        }
        silent
    }

    #[test]
    fn a_lease_that_nobody_renews_is_silent_after_a_whole_lease() {
        assert_eq!(watch(&[(1, true); 11]), [9, 10]);
    }

    #[test]
    fn a_renewal_or_an_outage_starts_the_watch_over() {
        let mut renewed = [(1, true); 18];
        renewed[8..].fill((2, true));
        assert_eq!(watch(&renewed), [17]);
        let mut outage = [(1, true); 18];
        outage[8] = (1, false);
        assert_eq!(watch(&outage), [17]);
    }

    #[test]
    fn h9_a_server_that_was_stopped_calls_nobody_silent() {
        let start = Instant::now();
        let mut watch = Watch::default();
        assert!(watch.look(start, &[row(1)], LEASE, true).is_empty());
        let later = start + Duration::from_secs(3_600);
        assert!(watch.was_away(later, LEASE));
        assert!(watch.look(later, &[row(1)], LEASE, true).is_empty());
    }

    #[test]
    fn h9_a_short_lease_outlives_a_short_stop_of_the_server() {
        let (start, lease) = (Instant::now(), Duration::from_millis(1_500));
        let mut watch = Watch::default();
        assert!(watch.look(start, &[row(1)], lease, true).is_empty());
        // Renewals of that time wait in sockets, where nobody has counted them yet.
        let later = start + Duration::from_millis(1_900);
        assert!(watch.look(later, &[row(1)], lease, true).is_empty());
    }
}
