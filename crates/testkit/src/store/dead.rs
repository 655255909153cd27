//! Dead letters, grouped by what they look like.

use super::Harness;
use super::sample::{at, ended, error, kind, lane, submit, task};
use warrener_model::filter::Filter;
use warrener_model::life::State;
use warrener_model::{Class, Task};

fn dead(fingerprint: &str, ms: i64) -> Task {
    let mut task = task();
    task.life = ended(State::Dead, ms);
    task.error = Some(error(Class::Network, &format!("at {ms}"), fingerprint));
    task
}

/// The largest first, with its first and last time and its last error.
pub async fn dead_tasks_are_grouped_by_fingerprint<H: Harness>(h: H) {
    let store = h.open().await;
    let mut rejected = task();
    rejected.life = ended(State::Dead, 7);
    rejected.spec.kind = kind("odd");
    let mut failed = dead("many", 99);
    failed.life.state = State::Failed;
    let many = [dead("many", 10), dead("many", 30), dead("many", 20)];
    let few = [dead("few", 5), dead("few", 6)];
    submit(&*store, &many).await;
    submit(&*store, &few).await;
    submit(&*store, &[rejected.clone(), failed, task()]).await;
    let groups = store.dead_groups(Filter::default(), at(100), 10).await;
    let groups = groups.expect("groups");
    let names: Vec<_> = groups
        .iter()
        .map(|g| (g.fingerprint.as_str(), g.count))
        .collect();
    assert_eq!(names, [("many", 3), ("few", 2), ("", 1)]);
    let first = &groups[0];
    assert_eq!((first.first, first.last), (at(10), at(30)));
    assert_eq!(first.sample, many[1].error);
    assert_eq!(
        (first.class, &first.kind),
        (Some(Class::Network), &kind("work"))
    );
    assert_eq!(first.task, many[1].id);
    let last = &groups[2];
    assert_eq!(
        (last.class, &last.kind, &last.sample),
        (None, &kind("odd"), &None)
    );
    assert_eq!(last.task, rejected.id);
}

/// Groups count only what matches.
pub async fn groups_obey_the_filter_and_the_limit<H: Harness>(h: H) {
    let store = h.open().await;
    let mut tasks = vec![
        dead("x", 1),
        dead("x", 2),
        dead("y", 3),
        dead("y", 4),
        dead("y", 5),
    ];
    tasks[0].spec.lane = lane("b");
    submit(&*store, &tasks).await;
    let groups = async |text, limit| {
        let filter = Filter::parse(text).expect(text);
        let groups = store.dead_groups(filter, at(9), limit).await;
        let groups = groups.expect("groups").into_iter();
        groups.map(|g| (g.fingerprint, g.count)).collect::<Vec<_>>()
    };
    assert_eq!(groups("", 1).await, [("y".to_owned(), 3)]);
    assert_eq!(groups("lane:b", 10).await, [("x".to_owned(), 1)]);
    assert_eq!(groups("fingerprint:x", 10).await, [("x".to_owned(), 2)]);
    assert_eq!(groups("state:ready", 10).await, []);
}
