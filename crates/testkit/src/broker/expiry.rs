//! Messages with a time: dropped when nobody took them within it.

use super::Harness;
use super::talk::{
    depth_is, eventually, lane, next, note, offers, publish, read, send, take, to, who,
};
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use warrener_backend::broker::{Address, Broker, Outgoing, Receipt};

const SHORT: Duration = Duration::from_millis(50);

async fn send_for_a_short_time(broker: &Arc<dyn Broker>, address: &Address, number: u64) {
    let out = Outgoing {
        expires: Some(SHORT),
        ..to(address, note(number))
    };
    let receipts = broker.publish(vec![out]).await.expect("it is up");
    assert_eq!(receipts, [Receipt::Confirmed]);
}

/// A claim that waited through an outage is not read after it.
pub async fn what_nobody_takes_in_time_is_never_delivered<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    send_for_a_short_time(&server, &one, 1).await;
    send(&server, &one, 2..3).await;
    send_for_a_short_time(&server, &one, 3).await;
    sleep(SHORT * 2).await;
    send(&server, &one, 4..5).await;
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &one, 1).await;
    assert_eq!(take(&mut reader).await, 2);
    assert_eq!(take(&mut reader).await, 4);
    depth_is(&server, &one, 0, 0).await;
}

/// Nor what waited for a reader without credit.
pub async fn what_expires_behind_a_busy_reader_is_never_delivered<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut reader = read(&agent, &one, 1).await;
    send(&server, &one, 1..2).await;
    let held = next(&mut reader).await;
    send_for_a_short_time(&server, &one, 2).await;
    send(&server, &one, 3..4).await;
    sleep(SHORT * 2).await;
    held.ack();
    assert_eq!(take(&mut reader).await, 3);
    depth_is(&server, &one, 0, 0).await;
}

/// A queue full of what nobody wants any more is not full.
pub async fn what_expires_makes_room<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let full = h.bounds().offers as u64;
    for number in 0..full {
        send_for_a_short_time(&server, &one, number).await;
    }
    sleep(SHORT * 2).await;
    // A back-end may take a moment to notice.
    eventually("room", || async {
        publish(&server, &one, note(full)).await == Receipt::Confirmed
    })
    .await;
    let mut reader = read(&server, &one, 1).await;
    assert_eq!(take(&mut reader).await, full);
}
