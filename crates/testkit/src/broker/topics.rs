//! Topics: copies for whoever watches.

use super::Harness;
use super::talk::{next, note, number, publish, read, send, take, try_read, who};
use std::sync::Arc;
use warrener_backend::broker::{Address, Broker, Receipt};
use warrener_backend::error::Error;

fn topic(key: &str) -> Address {
    Address::Topic(key.into())
}

/// Whether the back-end has topics; where not, it must say so to writers and to readers.
async fn has_topics<H: Harness>(h: &H, server: &Arc<dyn Broker>) -> bool {
    if h.expected().topics {
        return true;
    }
    let batch = vec![super::talk::to(&topic("task.done"), note(1))];
    let result = server.publish(batch).await;
    assert!(matches!(result, Err(Error::Unsupported(_))), "{result:?}");
    let result = try_read(server, &topic("#"), 5).await;
    assert!(matches!(result, Err(Error::Unsupported(_))), "{result:?}");
    false
}

/// A copy each, from when they began to watch.
pub async fn every_watcher_gets_a_copy_and_nobody_need_be_there<H: Harness>(h: H) {
    let server = h.server().await;
    if !has_topics(&h, &server).await {
        return;
    }
    let done = topic("task.done");
    let receipt = publish(&server, &done, note(1)).await;
    assert_eq!(receipt, Receipt::Confirmed, "nobody watches");

    let (ann, ben) = (
        h.agent(&who("ann"), &[]).await,
        h.agent(&who("ben"), &[]).await,
    );
    let mut watchers = [
        read(&ann, &done, 5).await,
        read(&ann, &done, 5).await,
        read(&ben, &done, 5).await,
        read(&server, &done, 5).await,
    ];
    send(&server, &done, 2..4).await;
    for watcher in &mut watchers {
        assert_eq!(take(watcher).await, 2);
        assert_eq!(take(watcher).await, 3);
    }
    let [first, mut second, ..] = watchers;
    drop(first);
    send(&server, &done, 4..5).await;
    assert_eq!(take(&mut second).await, 4);
}

/// `*` is one word, `#` is any number of words.
pub async fn a_pattern_chooses_by_words<H: Harness>(h: H) {
    let server = h.server().await;
    if !has_topics(&h, &server).await {
        return;
    }
    let agent = h.agent(&who("ann"), &[]).await;
    let keys = [
        "task.done",
        "task.dead",
        "agent.lost",
        "task",
        "task.done.late",
    ];
    let expected: [(&str, &[u64]); 6] = [
        ("task.done", &[0]),
        ("task.*", &[0, 1]),
        ("*.lost", &[2]),
        ("task.#", &[0, 1, 3, 4]),
        ("#.late", &[4]),
        ("#", &[0, 1, 2, 3, 4]),
    ];
    let mut watchers = Vec::new();
    for (pattern, _) in expected {
        watchers.push(read(&agent, &topic(pattern), 10).await);
    }
    for (n, key) in (0..).zip(keys) {
        send(&server, &topic(key), n..n + 1).await;
    }
    for ((pattern, numbers), watcher) in expected.iter().zip(&mut watchers) {
        for expected in *numbers {
            assert_eq!(take(watcher).await, *expected, "{pattern}");
        }
    }
    // Whatever was to come has come, for this comes last.
    let mut all = read(&agent, &topic("#"), 10).await;
    send(&server, &topic("the.end"), 99..100).await;
    assert_eq!(take(&mut all).await, 99);
    for ((pattern, _), watcher) in expected.iter().zip(&mut watchers) {
        if *pattern == "#" {
            assert_eq!(take(watcher).await, 99);
        }
        assert!(watcher.try_next().is_none(), "{pattern} got too much");
    }
}

/// It is the one who pays.
pub async fn a_slow_watcher_loses_the_oldest_and_delays_nobody<H: Harness>(h: H) {
    let server = h.server().await;
    if !has_topics(&h, &server).await {
        return;
    }
    let done = topic("task.done");
    let (ann, ben) = (
        h.agent(&who("ann"), &[]).await,
        h.agent(&who("ben"), &[]).await,
    );
    let mut slow = read(&ann, &done, 1).await;
    let mut quick = read(&ben, &done, 1).await;
    let bound = h.bounds().topic as u64;
    let last = bound * 3;
    let mut held = None;
    for n in 0..=last {
        send(&server, &done, n..n + 1).await;
        assert_eq!(take(&mut quick).await, n);
        if n == 0 {
            held = Some(next(&mut slow).await);
        }
    }
    let held = held.expect("the first one came");
    assert_eq!(number(&held.message), 0);
    held.ack();
    for expected in last - bound + 1..=last {
        assert_eq!(take(&mut slow).await, expected);
    }
}
