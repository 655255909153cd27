//! The work queue of a lane.

use super::Harness;
use super::sample::{assign, at, happen, kind, lane, submit, task, task_at, waiting};
use warrener_model::Priority;
use warrener_model::life::Event;

/// Priority, then how long it has been ready, then the id.
pub async fn the_best_comes_first<H: Harness>(h: H) {
    let store = h.open().await;
    let mut tasks = vec![];
    for ms in [30, 10, 20, 10] {
        for priority in Priority::ALL {
            let mut one = task_at(ms);
            one.spec.priority = priority;
            tasks.push(one);
        }
    }
    submit(&*store, &tasks).await;
    let mut expected = tasks.clone();
    expected.sort_by_key(|t| (std::cmp::Reverse(t.spec.priority), t.life.ready_at, t.id));
    let found = store.ready(lane("a"), vec![], 100).await.expect("ready");
    assert_eq!(found, expected);
    let best = store.ready(lane("a"), vec![], 3).await.expect("ready");
    assert_eq!(best, expected[..3]);
}

/// Other lanes, offers, runs, waits and ends are not there; what comes back is.
pub async fn what_is_offered_or_not_ready_is_not_there<H: Harness>(h: H) {
    let store = h.open().await;
    let (ready, offered, running, mut later, mut other) = (task(), task(), task(), task(), task());
    later.life = waiting(1_000);
    other.spec.lane = lane("b");
    let all = [&ready, &offered, &running, &later, &other].map(Clone::clone);
    submit(&*store, &all).await;
    happen(&*store, offered.id, &Event::Offer, 1, None).await;
    happen(&*store, running.id, &assign("one"), 1, None).await;
    let ids = async || {
        let found = store.ready(lane("a"), vec![], 100).await.expect("ready");
        found.iter().map(|t| t.id).collect::<Vec<_>>()
    };
    assert_eq!(ids().await, [ready.id]);
    happen(&*store, later.id, &Event::Due, 1_000, None).await;
    assert_eq!(ids().await, [ready.id, later.id]);
    happen(
        &*store,
        offered.id,
        &Event::Unoffer {
            offer: 1,
            again: false,
        },
        2,
        None,
    )
    .await;
    assert_eq!(ids().await.len(), 3);
    let b = store.ready(lane("b"), vec![], 100).await.expect("ready");
    assert_eq!(b, [other]);
}

/// However many of them stand before the others.
pub async fn kinds_that_nobody_runs_are_passed_over<H: Harness>(h: H) {
    let store = h.open().await;
    let mut tasks: Vec<_> = (0..300).map(task_at).collect();
    for (n, one) in tasks.iter_mut().enumerate() {
        one.spec.kind = kind(["strange", "odd", "work"][n % 3]);
    }
    submit(&*store, &tasks).await;
    let except = vec![kind("strange"), kind("odd")];
    let found = store.ready(lane("a"), except, 2).await.expect("ready");
    assert_eq!(found, [tasks[2].clone(), tasks[5].clone()]);
    let all = vec![kind("strange"), kind("odd"), kind("work")];
    assert_eq!(store.ready(lane("a"), all, 2).await.expect("ready"), []);
}

/// They are about to be sent.
pub async fn ready_tasks_come_with_their_bodies<H: Harness>(h: H) {
    let store = h.open().await;
    let one = task();
    submit(&*store, std::slice::from_ref(&one)).await;
    let found = store.ready(lane("a"), vec![], 1).await.expect("ready");
    assert_eq!(found[0].spec.input, one.spec.input);
    assert_eq!(found[0].spec.description, "A brief");
    assert_eq!(found[0].life.ready_at, Some(at(0)));
}
