//! Looks for what should not last: kinds of work that no live agent serves, a broker that takes nothing. Told once it
//! has lasted, by this process's own clock; over when it is over.

use crate::core::Core;
use crate::error::Result;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Health;
use warrener_model::name::{Kind, Lane};
use warrener_model::{State, Timestamp};

/// Since when each of some things lasts.
#[derive(Debug)]
struct Lasting<T>(HashMap<T, Instant>);

impl<T: Clone + Eq + Hash> Lasting<T> {
    fn new() -> Self {
        Lasting(HashMap::new())
    }

    /// One look: these are there now. Gives back those that were there at every look for this long, and for how long;
    /// and those that are over.
    fn look(
        &mut self,
        now: Instant,
        there: impl IntoIterator<Item = T>,
        patience: Duration,
    ) -> (Vec<(T, Duration)>, Vec<T>) {
        let mut since = HashMap::new();
        let mut long = vec![];
        for thing in there {
            let start = self.0.remove(&thing).unwrap_or(now);
            let span = now.duration_since(start);
            if span >= patience {
                long.push((thing.clone(), span));
            }
            since.insert(thing, start);
        }
        let over = std::mem::replace(&mut self.0, since);
        (long, over.into_keys().collect())
    }
}

/// Runs until told to stop.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut blocked = Lasting::new();
    let mut unserved = Lasting::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(core.options.patience.every) => {}
            () = stop.cancelled() => return,
        }
        core.alerts.catch_up();
        broker(&core, &mut blocked).await;
        if let Err(error) = kinds(&core, &mut unserved).await {
            tracing::warn!(%error, "nobody looks for work without agents");
        }
    }
}

async fn broker(core: &Core, blocked: &mut Lasting<()>) {
    let why = match core.broker.health().await {
        Health::Up => None,
        Health::Blocked(why) | Health::Down(why) => Some(why),
    };
    let patience = core.options.patience.broker_blocked;
    let (long, over) = blocked.look(Instant::now(), why.as_ref().map(|_| ()), patience);
    if !over.is_empty() {
        core.alerts.broker_takes_again();
    }
    for ((), span) in long {
        // The store's clock may be away too; the alert is not.
        let now = core.now().await.unwrap_or_else(|_| crate::clock::wall());
        let why = why.as_deref().unwrap_or_default();
        core.alerts.broker_blocked(why, back(now, span));
    }
}

/// Work that nobody can do is told to a person.
async fn kinds(core: &Core, unserved: &mut Lasting<(Lane, Kind)>) -> Result<()> {
    let mut waiting = HashMap::new();
    for lane in lanes_with_ready(core).await? {
        for (kind, count) in core.store.ready_kinds(lane.clone()).await? {
            if !core.registry.is_capable(&lane, &kind) {
                waiting.insert((lane.clone(), kind), count);
            }
        }
    }
    let patience = core.options.patience.no_capable_agent;
    let (long, over) = unserved.look(Instant::now(), waiting.keys().cloned(), patience);
    for (lane, kind) in over {
        core.alerts.served_again(&lane, &kind);
    }
    if long.is_empty() {
        return Ok(());
    }
    let now = core.now().await?;
    for (place, span) in long {
        let (lane, kind) = &place;
        let count = waiting[&place];
        let since = back(now, span);
        core.alerts.no_capable_agent(lane, kind, count, since);
    }
    Ok(())
}

/// Where something waits for an agent; a paused lane waits for a person.
async fn lanes_with_ready(core: &Core) -> Result<BTreeSet<Lane>> {
    let counts = core.store.counts().await?;
    let ready = counts
        .into_iter()
        .filter(|count| count.state == State::Ready && count.count > 0)
        .map(|count| count.lane);
    Ok(ready.filter(|lane| !core.is_paused(lane)).collect())
}

/// A moment that was so long ago.
pub(crate) fn back(now: Timestamp, span: Duration) -> Timestamp {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_away_in_between_begins_anew() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let patience = second * 2;
        let mut lasting = Lasting::new();
        let mut look = |at: u32, there: &[&'static str]| {
            let there = there.iter().copied();
            lasting.look(start + second * at, there, patience)
        };
        assert_eq!(look(0, &["a"]), (vec![], vec![]));
        assert_eq!(look(1, &["a", "b"]), (vec![], vec![]));
        assert_eq!(look(2, &["a"]), (vec![("a", second * 2)], vec!["b"]));
        assert_eq!(look(3, &["a", "b"]), (vec![("a", second * 3)], vec![]));
        assert_eq!(look(4, &["b"]), (vec![], vec!["a"]));
        assert_eq!(look(5, &["b"]), (vec![("b", second * 2)], vec![]));
    }
}
