//! The control address: there while its agent reads it, and never longer.

use super::Harness;
use super::talk::{
    eventually, next, note, number, publish, read, send, take, try_read, who, within,
};
use std::sync::Arc;
use warrener_backend::broker::{Address, Broker, Receipt};
use warrener_backend::error::Error;
use warrener_model::agent::Who;
use warrener_model::id::InstanceId;

async fn is_gone(server: &Arc<dyn Broker>, address: &Address) {
    eventually("the end of a control address", || async {
        publish(server, address, note(0)).await == Receipt::Unroutable
    })
    .await;
}

/// A grant for an agent that left is unroutable, and the server knows at once.
pub async fn a_control_address_exists_while_its_agent_reads_it<H: Harness>(h: H) {
    let server = h.server().await;
    let ann = who("ann");
    let control = Address::Control(ann.clone());
    let agent = h.agent(&ann, &[]).await;
    for _ in 0..2 {
        is_gone(&server, &control).await;
        let depth = server.depth(&control).await;
        assert!(matches!(depth, Err(Error::NotFound(_))), "{depth:?}");
        let mut reader = read(&agent, &control, 5).await;
        send(&server, &control, 1..3).await;
        assert_eq!(take(&mut reader).await, 1);
        assert_eq!(take(&mut reader).await, 2);
        reader.close();
    }
    is_gone(&server, &control).await;
}

/// Two processes with the same name and instance would each get half of the grants.
pub async fn a_control_address_has_one_reader<H: Harness>(h: H) {
    let server = h.server().await;
    let ann = who("ann");
    let control = Address::Control(ann.clone());
    let first = h.agent(&ann, &[]).await;
    let second = h.agent(&ann, &[]).await;
    let mut reader = read(&first, &control, 5).await;
    for agent in [&first, &second] {
        let result = try_read(agent, &control, 5).await;
        assert!(matches!(result, Err(Error::Taken { .. })), "{result:?}");
    }
    send(&server, &control, 1..2).await;
    assert_eq!(take(&mut reader).await, 1, "the first one goes on");
    reader.close();
    is_gone(&server, &control).await;
    read(&second, &control, 5).await.close();
}

/// What was meant for one boot never reaches the next.
pub async fn another_boot_has_another_control_address<H: Harness>(h: H) {
    let server = h.server().await;
    let old = who("ann");
    let new = Who {
        instance: InstanceId::random(2),
        ..old.clone()
    };
    let (old_agent, new_agent) = (h.agent(&old, &[]).await, h.agent(&new, &[]).await);
    let mut old_reader = read(&old_agent, &Address::Control(old.clone()), 5).await;
    let mut new_reader = read(&new_agent, &Address::Control(new.clone()), 5).await;
    send(&server, &Address::Control(new), 1..2).await;
    send(&server, &Address::Control(old), 2..3).await;
    assert_eq!(take(&mut new_reader).await, 1);
    assert_eq!(take(&mut old_reader).await, 2);
}

/// The same boot that comes back gets nothing from before: it says hello first.
pub async fn what_waited_for_a_dead_agent_is_lost<H: Harness>(h: H) {
    let server = h.server().await;
    let ann = who("ann");
    let control = Address::Control(ann.clone());
    let agent = h.agent(&ann, &[]).await;
    let mut reader = read(&agent, &control, 1).await;
    send(&server, &control, 1..4).await;
    let held = next(&mut reader).await;
    assert_eq!(number(&held.message), 1);
    h.kill_agent(&ann).await;
    is_gone(&server, &control).await;

    let again = h.agent(&ann, &[]).await;
    let mut reader = within("a new subscription", read(&again, &control, 1)).await;
    send(&server, &control, 9..10).await;
    assert_eq!(take(&mut reader).await, 9);
    drop(held);
}
