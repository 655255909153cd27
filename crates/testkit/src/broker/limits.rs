//! Full queues: work is refused, news pushes out old news.

use super::Harness;
use super::talk::{
    PRESENCE, depth_is, eventually, lane, next, note, offers, publish, read, said, send, take, who,
};
use std::slice::from_ref;
use warrener_backend::broker::{Delivery, Receipt, Verdict};

/// Offers are refused when there is no room; the store keeps what was refused.
pub async fn a_full_lane_refuses_until_something_was_read<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let full = h.bounds().offers as u64;
    send(&server, &one, 0..full).await;
    assert_eq!(publish(&server, &one, note(full)).await, Receipt::Full);
    assert_eq!(publish(&server, &one, note(full)).await, Receipt::Full);

    let out = full - h.bounds().offers_again as u64 + 1;
    let mut reader = read(&server, &one, out as u32).await;
    assert_eq!(take(&mut reader).await, 0);
    let mut held = Vec::new();
    for _ in 0..out {
        held.push(next(&mut reader).await);
    }
    depth_is(&server, &one, full - 1 - out, out).await;
    // A back-end may take a moment to notice.
    eventually("room", || async {
        publish(&server, &one, note(full + 1)).await == Receipt::Confirmed
    })
    .await;
    held.into_iter().for_each(Delivery::ack);
    for expected in out + 1..full {
        assert_eq!(take(&mut reader).await, expected);
    }
    assert_eq!(
        take(&mut reader).await,
        full + 1,
        "what was refused is not there"
    );
}

/// The newest heartbeat is worth more than the oldest.
pub async fn full_presence_loses_the_oldest<H: Harness>(h: H) {
    let server = h.server().await;
    server.ensure(&[PRESENCE]).await.expect("it is up");
    let ann = who("ann");
    let agent = h.agent(&ann, &[]).await;
    let full = h.bounds().presence as u64;
    for n in 0..full + 5 {
        let receipt = publish(&agent, &PRESENCE, said(&ann, n)).await;
        assert_eq!(receipt, Receipt::Confirmed);
    }
    let mut reader = read(&server, &PRESENCE, 10).await;
    for expected in 5..full + 5 {
        assert_eq!(take(&mut reader).await, expected);
    }
}

/// What was delivered was counted when it came: giving it back is never refused.
pub async fn a_full_lane_takes_back_what_it_gave_out<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &one, 2).await;
    let full = h.bounds().offers as u64;
    send(&server, &one, 0..2).await;
    let held = [next(&mut reader).await, next(&mut reader).await];
    send(&server, &one, 2..full).await;
    for delivery in held {
        delivery.settle(Verdict::Requeue);
    }
    let mut seen = Vec::new();
    for _ in 0..full {
        seen.push(take(&mut reader).await);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..full).collect::<Vec<u64>>());
}
