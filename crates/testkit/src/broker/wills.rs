//! Wills: the word of an agent that cannot say it any more.

use super::Harness;
use super::talk::{PRESENCE, next, read, said, who, will};
use super::talk::{publish, take};
use std::sync::Arc;
use warrener_backend::broker::{Address, Broker, Receipt, Subscribe, Subscription};
use warrener_backend::error::Error;
use warrener_model::agent::Who;
use warrener_model::message::{Bye, decode};

/// Subscribes with a will; `None` where the back-end has none, which it must say.
async fn read_with_will<H: Harness>(
    h: &H,
    agent: &Arc<dyn Broker>,
    who: &Who,
) -> Option<Subscription> {
    let ask = Subscribe {
        from: Address::Control(who.clone()),
        credit: 5,
        will: Some(will(who)),
    };
    let result = agent.subscribe(ask).await;
    if h.expected().wills {
        return Some(result.expect("nobody else reads it"));
    }
    assert!(matches!(result, Err(Error::Unsupported(_))), "{result:?}");
    None
}

/// It said goodbye itself.
pub async fn a_subscription_that_is_closed_leaves_no_will<H: Harness>(h: H) {
    let server = h.server().await;
    server.ensure(&[PRESENCE]).await.expect("it is up");
    let ann = who("ann");
    let agent = h.agent(&ann, &[]).await;
    let Some(control) = read_with_will(&h, &agent, &ann).await else {
        return;
    };
    control.close();
    // What the same agent says after that is heard after it.
    let receipt = publish(&agent, &PRESENCE, said(&ann, 7)).await;
    assert_eq!(receipt, Receipt::Confirmed);
    let mut presence = read(&server, &PRESENCE, 5).await;
    assert_eq!(take(&mut presence).await, 7);
}

/// A program that forgets its subscription is gone as far as the servers can know.
pub async fn a_subscription_that_is_dropped_publishes_its_will<H: Harness>(h: H) {
    let server = h.server().await;
    server.ensure(&[PRESENCE]).await.expect("it is up");
    let ann = who("ann");
    let agent = h.agent(&ann, &[]).await;
    let Some(control) = read_with_will(&h, &agent, &ann).await else {
        return;
    };
    let mut presence = read(&server, &PRESENCE, 5).await;
    drop(control);
    let delivery = next(&mut presence).await;
    assert_eq!(delivery.message, will(&ann).message);
    delivery.ack();
}

/// The servers hear of a death when the connection ends, not when a lease does.
pub async fn an_agent_that_dies_publishes_its_will<H: Harness>(h: H) {
    let server = h.server().await;
    server.ensure(&[PRESENCE]).await.expect("it is up");
    let (ann, ben) = (who("ann"), who("ben"));
    let agent = h.agent(&ann, &[]).await;
    let Some(_control) = read_with_will(&h, &agent, &ann).await else {
        return;
    };
    let other = h.agent(&ben, &[]).await;
    let Some(_other_control) = read_with_will(&h, &other, &ben).await else {
        return;
    };
    let mut presence = read(&server, &PRESENCE, 5).await;
    h.kill_agent(&ann).await;
    let delivery = next(&mut presence).await;
    assert_eq!(&*delivery.message.kind, "bye");
    let bye: Bye = decode(&delivery.message.body).expect("the will is a bye");
    assert_eq!(Who::from(bye.who), ann);
    delivery.ack();
    let receipt = publish(&other, &PRESENCE, said(&ben, 7)).await;
    assert_eq!(receipt, Receipt::Confirmed);
    assert_eq!(take(&mut presence).await, 7, "one death, one will");
}
