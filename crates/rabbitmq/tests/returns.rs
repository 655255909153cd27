//! Receipts belong to their messages, however confirms and returns come: many publishes at once, a third unroutable.

mod stage;

use stage::{quick, ready, server, vhost};
use std::sync::Arc;
use warrener_backend::broker::{Address, Broker, Receipt};
use warrener_rabbitmq::{Limits, Role, Settings};
use warrener_testkit::broker::talk::{note, offers, to, who};

const ROUNDS: u64 = 12;
const EACH: u64 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_receipt_is_that_of_its_message() {
    let vhost = vhost().await;
    let settings = Settings {
        limits: Limits::default(),
        ..quick(&vhost.url(), Role::Server)
    };
    let server = ready(settings).await;
    let there = offers("one");
    server
        .ensure(std::slice::from_ref(&there))
        .await
        .expect("it is up");
    let nowhere = [Address::Control(who("nobody")), offers("unheard-of")];
    let mut dice = fastrand::Rng::with_seed(7);
    let mut routed = 0;
    for round in 0..ROUNDS {
        let (mut batch, mut expected) = (Vec::new(), Vec::new());
        for n in 0..EACH {
            let message = note(round * EACH + n);
            if dice.u8(..3) == 0 {
                batch.push(to(&nowhere[dice.usize(..2)], message));
                expected.push(Receipt::Unroutable);
            } else {
                batch.push(to(&there, message));
                expected.push(Receipt::Confirmed);
                routed += 1;
            }
        }
        // Several callers at once share the channel.
        let (left, right) = (batch.split_off(EACH as usize / 2), batch);
        let answers = tokio::join!(server.publish(right), server.publish(left));
        let receipts = [answers.0.expect("it is up"), answers.1.expect("it is up")].concat();
        let wrong = receipts
            .iter()
            .zip(&expected)
            .filter(|(is, should)| is != should);
        assert_eq!(wrong.count(), 0, "round {round}");
    }
    let depth = server.depth(&there).await.expect("it exists");
    assert_eq!(depth.ready, routed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_message_sent_twice_at_once_gets_a_receipt_for_each() {
    let vhost = vhost().await;
    let server: Arc<dyn Broker> = server(&vhost.url()).await;
    server.ensure(&[offers("one")]).await.expect("it is up");
    let mut batch = Vec::new();
    let mut expected = Vec::new();
    for _ in 0..20 {
        batch.push(to(&offers("one"), note(1)));
        batch.push(to(&offers("nowhere"), note(1)));
        expected.extend([Receipt::Confirmed, Receipt::Unroutable]);
    }
    assert_eq!(server.publish(batch).await.expect("it is up"), expected);
}
