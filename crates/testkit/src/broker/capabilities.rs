//! What a back-end says it can do, and that it is so.

use super::talk::{PRESENCE, eventually, note, offers, publish, send, take, try_read, who};
use super::{Harness, talk};
use warrener_backend::broker::{Address, Health, Receipt};
use warrener_backend::error::Error;

/// Losing a capability, or gaining one, is a visible change.
pub async fn the_capabilities_are_exactly_those_expected<H: Harness>(h: H) {
    assert_eq!(h.server().await.capabilities(), h.expected());
    let agent = h.agent(&who("ann"), &[]).await;
    assert_eq!(agent.capabilities(), h.expected());
}

/// Topology belongs to servers.
pub async fn an_agent_may_not_make_addresses<H: Harness>(h: H) {
    let server = h.server().await;
    let agent = h.agent(&who("ann"), &[talk::lane("one")]).await;
    for address in [offers("one"), PRESENCE, Address::Dead] {
        let result = agent.ensure(std::slice::from_ref(&address)).await;
        assert!(matches!(result, Err(Error::NotAllowed(_))), "{result:?}");
        let receipt = publish(&server, &address, note(1)).await;
        assert_eq!(receipt, Receipt::Unroutable);
    }
}

/// Both ends can be worked with.
pub async fn a_broker_that_runs_is_up<H: Harness>(h: H) {
    assert_eq!(h.server().await.health().await, Health::Up);
    assert_eq!(h.agent(&who("ann"), &[]).await.health().await, Health::Up);
}

/// `durable` is the promise that they do; without it the promise is that nothing old comes again.
pub async fn confirmed_messages_survive_a_restart_exactly_if_durable<H: Harness>(h: H) {
    let server = h.server().await;
    server.ensure(&[offers("one")]).await.expect("it is up");
    send(&server, &offers("one"), 1..4).await;
    h.restart_broker().await;

    eventually("the broker", || async {
        server.ensure(&[offers("one")]).await.is_ok()
    })
    .await;
    // Right after a restart a queue may not answer yet: then the receipt is unknown, and a sender sends it again.
    eventually("a confirm", || async {
        publish(&server, &offers("one"), note(4)).await == Receipt::Confirmed
    })
    .await;
    let mut reader = try_read(&server, &offers("one"), 10)
        .await
        .expect("it exists");
    let first = if h.expected().durable { 1 } else { 4 };
    for expected in first..5 {
        assert_eq!(take(&mut reader).await, expected);
    }
}
