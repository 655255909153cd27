//! Frames that are too large, and what is no frame.

mod stage;

use futures_util::SinkExt;
use stage::Stage;
use stage::raw::Raw;
use std::sync::Arc;
use tokio_tungstenite::tungstenite::Message;
use warrener_backend::broker::{Address, Broker, Outgoing, Receipt};
use warrener_backend::error::Error;
use warrener_model::agent::Role;
use warrener_model::limits::LINK_FRAME_BYTES;
use warrener_testkit::broker::talk::{
    RESULTS, depth_is, next, note, number, offers, publish, read, said, take, to, who,
};

/// An agent's message of about this size.
fn large(n: u64, bytes: usize) -> Outgoing {
    let mut message = said(&who("ann"), n);
    let filler = "x".repeat(bytes);
    message.body = format!(
        r#"{{"v":1,"agent_id":"ann","instance":"00000001","number":{n},"filler":"{filler}"}}"#
    )
    .into();
    to(&RESULTS, message)
}

#[tokio::test]
async fn a_batch_larger_than_a_frame_is_split_and_arrives_in_order() {
    let stage = Stage::plain().await;
    let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
    server.ensure(&[RESULTS]).await.unwrap();
    let (link, _pipe) = stage.client(Some(&who("ann")), Role::Worker).await;
    let batch: Vec<Outgoing> = (0..9)
        .map(|n| large(n, LINK_FRAME_BYTES / 10 * (n as usize)))
        .collect();
    let receipts = link.publish(batch).await.unwrap();
    assert_eq!(receipts, vec![Receipt::Confirmed; 9]);
    let mut reader = read(&server, &RESULTS, 1).await;
    for expected in 0..9 {
        assert_eq!(take(&mut reader).await, expected);
    }
}

#[tokio::test]
async fn a_message_larger_than_a_frame_is_a_mistake_of_its_sender() {
    let stage = Stage::plain().await;
    let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
    server.ensure(&[RESULTS]).await.unwrap();
    let (link, _pipe) = stage.client(Some(&who("ann")), Role::Worker).await;
    let result = link.publish(vec![large(1, LINK_FRAME_BYTES)]).await;
    let Err(Error::Invalid(why)) = result else {
        panic!("{result:?}");
    };
    assert!(why.contains(&LINK_FRAME_BYTES.to_string()), "{why}");
    let mut no_json = said(&who("ann"), 1);
    no_json.body = "{".into();
    let result = link.publish(vec![to(&RESULTS, no_json)]).await;
    assert!(matches!(result, Err(Error::Invalid(_))), "{result:?}");
    depth_is(&server, &RESULTS, 0, 0).await;
}

#[tokio::test]
async fn what_does_not_fit_through_the_link_is_a_dead_letter() {
    let stage = Stage::plain().await;
    let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
    let one = offers("one");
    server.ensure(&[one.clone(), Address::Dead]).await.unwrap();
    let (link, _pipe) = stage.client(Some(&who("ann")), Role::Worker).await;
    let agent: Arc<dyn Broker> = Arc::new(link);
    let mut reader = read(&agent, &one, 1).await;
    let mut message = large(1, LINK_FRAME_BYTES).message;
    publish(&server, &one, message.clone()).await;
    message.body = "no json".into();
    publish(&server, &one, message).await;
    publish(&server, &one, note(2)).await;
    assert_eq!(take(&mut reader).await, 2);

    let mut dead = read(&server, &Address::Dead, 2).await;
    let letter = next(&mut dead).await;
    assert_eq!(number(&letter.message), 1);
    let reason = letter.message.reason.clone().unwrap();
    assert!(reason.contains(&LINK_FRAME_BYTES.to_string()), "{reason}");
    let reason = next(&mut dead).await.message.reason.clone().unwrap();
    assert!(reason.contains("not JSON"), "{reason}");
}

#[tokio::test]
async fn what_is_no_frame_ends_the_link_with_a_reason() {
    let stage = Stage::plain().await;
    for (message, words) in [
        (Message::text("hello"), "malformed frame"),
        (Message::text(""), "malformed frame"),
        (Message::text("[]"), "malformed frame"),
        (Message::text(r#"{"op":"dance"}"#), "unknown op \"dance\""),
        (
            Message::text(r#"{"op":"publish","n":-1,"batch":[]}"#),
            "malformed frame",
        ),
        (Message::binary(vec![0xff; 10]), "binary"),
    ] {
        let mut raw = Raw::connect(stage.address).await;
        raw.socket.send(message).await.unwrap();
        let (code, reason) = raw.farewell().await;
        assert_eq!(code, 1002);
        assert!(reason.contains(words), "{reason}");
    }
}

#[tokio::test]
async fn a_frame_over_the_limit_ends_the_link_with_a_reason() {
    let stage = Stage::plain().await;
    let mut raw = Raw::connect(stage.address).await;
    raw.say(&" ".repeat(LINK_FRAME_BYTES + 1)).await;
    let (code, reason) = raw.farewell().await;
    assert_eq!(code, 1009);
    assert!(reason.contains(&LINK_FRAME_BYTES.to_string()), "{reason}");
}
