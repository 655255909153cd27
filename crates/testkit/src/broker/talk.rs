//! What the cases say and how they wait: messages with a number, and deadlines that end a hang.

use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use warrener_backend::broker::{
    Address, Broker, Delivery, Inbox, Message, Outgoing, Receipt, Subscribe, Subscription,
};
use warrener_backend::error::Result;
use warrener_model::Timestamp;
use warrener_model::agent::Who;
use warrener_model::id::{InstanceId, MessageId, StoreId};
use warrener_model::message::{Bye, encode};
use warrener_model::name::{AgentId, Lane};

/// After this a case hangs. Far more than anything here takes on a machine that is busy.
const HANG: Duration = Duration::from_secs(60);

/// An agent's first boot.
pub fn who(name: &str) -> Who {
    Who {
        agent: AgentId::new(name).expect("cases use good names"),
        instance: InstanceId::random(1),
    }
}

/// A lane.
pub fn lane(name: &str) -> Lane {
    Lane::new(name).expect("cases use good names")
}

/// The offers of a lane.
pub fn offers(name: &str) -> Address {
    Address::Offers(lane(name))
}

/// The presence inbox.
pub const PRESENCE: Address = Address::Inbox(Inbox::Presence);

/// The results inbox.
pub const RESULTS: Address = Address::Inbox(Inbox::Results);

/// The type of what has a number and says nothing.
const NOTE: &str = "note";

/// A server's message with a number in it.
pub fn note(number: u64) -> Message {
    message(number, format!(r#"{{"v":1,"number":{number}}}"#))
}

/// An agent's message with a number in it.
pub fn said(who: &Who, number: u64) -> Message {
    let Who { agent, instance } = who;
    let body =
        format!(r#"{{"v":1,"agent_id":"{agent}","instance":"{instance}","number":{number}}}"#);
    Message {
        sender: Some(agent.clone()),
        ..message(number, body)
    }
}

fn message(number: u64, body: String) -> Message {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    let at = Timestamp::from_millis(1_700_000_000_000);
    Message {
        id: MessageId::new(at, random),
        kind: NOTE.into(),
        store: Some(StoreId::new(at, [7; 10])),
        sender: None,
        trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        body: Bytes::from(body),
        reason: None,
    }
}

/// The number in a message.
pub fn number(message: &Message) -> u64 {
    let body: serde_json::Value =
        serde_json::from_slice(&message.body).expect("every body is JSON");
    body["number"].as_u64().expect("notes carry a number")
}

/// What an agent leaves when its connection ends: `bye`, to the servers.
pub fn will(who: &Who) -> Outgoing {
    let bye = Bye {
        who: who.clone().into(),
        reason: "gone".into(),
    };
    let message = Message {
        kind: "bye".into(),
        sender: Some(who.agent.clone()),
        body: encode(&bye).into(),
        ..note(0)
    };
    Outgoing {
        to: PRESENCE,
        message,
        expires: None,
    }
}

/// On its way, without a time; what goes to an inbox is of a type that belongs there.
pub fn to(address: &Address, message: Message) -> Outgoing {
    Outgoing {
        to: address.clone(),
        message: fitting(address, message),
        expires: None,
    }
}

/// The message; a note with a type that belongs into its inbox.
pub fn fitting(address: &Address, message: Message) -> Message {
    let kind = match address {
        _ if &*message.kind != NOTE => message.kind,
        Address::Inbox(Inbox::Results) => "outcome".into(),
        Address::Inbox(Inbox::Presence) => "heartbeat".into(),
        Address::Inbox(Inbox::Signals) => "signal".into(),
        Address::Inbox(Inbox::Submit) => "submit".into(),
        _ => message.kind,
    };
    Message { kind, ..message }
}

/// Publishes one and says what became of it.
pub async fn publish(broker: &Arc<dyn Broker>, address: &Address, message: Message) -> Receipt {
    let receipts = broker.publish(vec![to(address, message)]).await;
    let mut receipts = receipts.expect("the broker is there");
    assert_eq!(receipts.len(), 1, "one message, one receipt");
    receipts.remove(0)
}

/// Publishes notes with these numbers, each confirmed.
pub async fn send(broker: &Arc<dyn Broker>, address: &Address, numbers: impl Iterator<Item = u64>) {
    let batch: Vec<Outgoing> = numbers.map(|n| to(address, note(n))).collect();
    let size = batch.len();
    let receipts = broker.publish(batch).await.expect("the broker is there");
    assert_eq!(receipts, vec![Receipt::Confirmed; size]);
}

/// Subscribes, without a will.
pub async fn try_read(
    broker: &Arc<dyn Broker>,
    from: &Address,
    credit: u32,
) -> Result<Subscription> {
    let ask = Subscribe {
        from: from.clone(),
        credit,
        will: None,
    };
    broker.subscribe(ask).await
}

/// Subscribes to what is known to exist.
pub async fn read(broker: &Arc<dyn Broker>, from: &Address, credit: u32) -> Subscription {
    let result = try_read(broker, from, credit).await;
    result.unwrap_or_else(|error| panic!("{from}: {error}"))
}

/// The next delivery.
pub async fn next(subscription: &mut Subscription) -> Delivery {
    within("a delivery", subscription.next())
        .await
        .expect("the subscription goes on")
}

/// Takes the next delivery, acknowledges it, and says its number.
pub async fn take(subscription: &mut Subscription) -> u64 {
    let delivery = next(subscription).await;
    let number = number(&delivery.message);
    delivery.ack();
    number
}

/// Reads until the subscription is over.
pub async fn until_over(subscription: &mut Subscription) {
    let over = async { while subscription.next().await.is_some() {} };
    within("the end of a subscription", over).await;
}

/// A whole case: one that goes in circles fails by its name, too.
pub async fn whole(case: impl Future<Output = ()>) {
    if timeout(3 * HANG, case).await.is_err() {
        panic!("the case never ended");
    }
}

/// Waits for something that must come.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(HANG, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} never came"),
    }
}

/// Asks until the answer is yes.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let asking = async {
        while !ask().await {
            sleep(Duration::from_millis(2)).await;
        }
    };
    within(what, asking).await;
}

/// Waits until an address has this many messages that wait, and that are held, as far as the back-end can tell.
pub async fn depth_is(broker: &Arc<dyn Broker>, address: &Address, ready: u64, unsettled: u64) {
    eventually(&format!("{address} with {ready} + {unsettled}"), || async {
        let depth = broker.depth(address).await.expect("the address exists");
        let held = match broker.capabilities().counts {
            true => depth.unsettled == unsettled,
            false => depth.unsettled <= unsettled,
        };
        depth.ready == ready && held
    })
    .await;
}

/// Waits until so many read an address.
pub async fn readers_are(broker: &Arc<dyn Broker>, address: &Address, consumers: u64) {
    eventually(&format!("{address} with {consumers} readers"), || async {
        let depth = broker.depth(address).await.expect("the address exists");
        depth.consumers == consumers
    })
    .await;
}
