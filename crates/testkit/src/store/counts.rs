//! Counts: exact, always.

use super::Harness;
use super::sample::{after, assign, at, commit, done, happen, kind, lane, submit, task_at, to};
use fastrand::Rng;
use std::collections::BTreeMap;
use warrener_backend::Committed;
use warrener_backend::query::{Count, List, SortKey};
use warrener_model::event::EventKind;
use warrener_model::filter::Filter;
use warrener_model::life::{Event, Needs, State};

/// After random moves, some refused, the counts are those of a look at every task.
pub async fn counts_are_exact_after_many_moves<H: Harness>(h: H) {
    let store = h.open().await;
    let mut rng = Rng::with_seed(3);
    let mut tasks: Vec<_> = (0..60).map(task_at).collect();
    for one in &mut tasks {
        one.spec.lane = lane(rng.choice(["a", "b", "c"]).expect("lanes"));
        one.spec.kind = kind(rng.choice(["x", "y"]).expect("kinds"));
    }
    submit(&*store, &tasks).await;
    for _ in 0..200 {
        let n = rng.usize(..tasks.len());
        let old = &tasks[n];
        let event = match old.life.state {
            State::Ready if rng.bool() => assign("one"),
            State::Running => Event::Lost {
                seen: old.life.lease_seq,
            },
            State::Dead | State::Cancelled => Event::Retry {
                anew: true,
                needs: Needs::Met,
            },
            _ => Event::Cancel,
        };
        let life = after(&old.life, &event, 1_000).life;
        let mut guess = old.clone();
        guess.version += u64::from(rng.u8(..5) == 0);
        let answer = commit(&*store, to(&guess, life.clone(), EventKind::Ready, None)).await;
        if answer != Committed::Conflict {
            tasks[n].life = life;
            tasks[n].version += 1;
        }
    }
    let mut expected: BTreeMap<_, u64> = BTreeMap::new();
    for one in &tasks {
        *expected
            .entry((one.spec.lane.clone(), one.life.state))
            .or_default() += 1;
    }
    let counts = store.counts().await.expect("counts");
    let found: BTreeMap<_, _> = counts
        .into_iter()
        .filter(|count| count.count > 0)
        .map(|count| ((count.lane, count.state), count.count))
        .collect();
    assert_eq!(found, expected);
    let all = List {
        filter: Filter::default(),
        now: at(0),
        sort: SortKey::Created,
        descending: false,
        limit: 1_000,
        after: None,
        bodies: true,
    };
    let stored = store.list(all).await.expect("a list");
    assert!(stored.iter().all(|one| tasks.contains(one)));
}

/// Of those that are ready now, offered or not.
pub async fn the_oldest_ready_task_of_a_lane_is_known<H: Harness>(h: H) {
    let store = h.open().await;
    let tasks = [task_at(30), task_at(10), task_at(20)];
    submit(&*store, &tasks).await;
    let oldest = async || {
        let counts = store.counts().await.expect("counts");
        let ready = counts.into_iter().find(|count| count.state == State::Ready);
        ready.and_then(|count| count.oldest)
    };
    assert_eq!(oldest().await, Some(at(10)));
    happen(&*store, tasks[1].id, &Event::Offer, 40, None).await;
    assert_eq!(oldest().await, Some(at(10)));
    happen(&*store, tasks[1].id, &Event::Cancel, 40, None).await;
    assert_eq!(oldest().await, Some(at(20)));
    let expected = Count {
        lane: lane("a"),
        state: State::Cancelled,
        count: 1,
        oldest: None,
    };
    assert!(store.counts().await.expect("counts").contains(&expected));
}

/// Of one lane.
pub async fn kinds_that_are_ready_are_counted<H: Harness>(h: H) {
    let store = h.open().await;
    let mut tasks: Vec<_> = (0..5).map(task_at).collect();
    for (one, name) in tasks.iter_mut().zip(["x", "y", "x", "x", "z"]) {
        one.spec.kind = kind(name);
    }
    tasks[3].spec.lane = lane("b");
    submit(&*store, &tasks).await;
    let life = after(&tasks[4].life, &Event::Cancel, 9).life;
    done(&*store, to(&tasks[4], life, EventKind::Cancelled, None)).await;
    let mut kinds = store.ready_kinds(lane("a")).await.expect("kinds");
    kinds.sort();
    assert_eq!(kinds, [(kind("x"), 2), (kind("y"), 1)]);
    assert_eq!(
        store.ready_kinds(lane("b")).await.expect("kinds"),
        [(kind("x"), 1)]
    );
    assert_eq!(store.ready_kinds(lane("nobody")).await.expect("kinds"), []);
}
