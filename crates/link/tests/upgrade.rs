//! Who gets a link at all.
#![expect(
    clippy::unwrap_used,
    reason = "also outside of its test functions this is a test"
)]

mod stage;

use stage::raw::{Raw, good_request, status};
use stage::{Stage, TOKEN, becomes, client_options};
use std::sync::Arc;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use warrener_api::link::{AGENT_HEADER, PATH, ROLE_HEADER, SUBPROTOCOL};
use warrener_backend::broker::{Address, Broker, Health};
use warrener_backend::error::Error;
use warrener_link::{Connection, LinkBroker, LinkOptions};
use warrener_model::agent::Role;
use warrener_testkit::broker::talk::{said, to, try_read, who};

/// Connects with this token and role, and expects to be turned away for good.
async fn refused(options: LinkOptions, status: &str) {
    let link = LinkBroker::connect(options).unwrap();
    let now = becomes(&link, |now| matches!(now, Connection::Refused { .. })).await;
    let Connection::Refused { reason } = now else {
        unreachable!()
    };
    assert!(reason.contains(status), "{reason}");

    let broker: Arc<dyn Broker> = Arc::new(link.clone());
    let result = broker
        .publish(vec![to(&Address::Dead, said(&who("ann"), 1))])
        .await;
    assert!(matches!(result, Err(Error::NotAllowed(_))), "{result:?}");
    let result = try_read(&broker, &Address::Topic("#".into()), 1).await;
    assert!(matches!(result, Err(Error::NotAllowed(_))), "{result:?}");
    assert!(matches!(broker.health().await, Health::Down(_)));
    link.close().await;
    assert_eq!(*link.connected().borrow(), Connection::Closed);
}

#[tokio::test]
async fn a_wrong_token_is_refused_for_good() {
    let stage = Stage::plain().await;
    let good = client_options(stage.address, Some(&who("ann")), Role::Worker);
    for token in [None, Some("guess".to_owned()), Some(String::new())] {
        let options = LinkOptions {
            token,
            ..good.clone()
        };
        refused(options, "401").await;
    }
}

#[tokio::test]
async fn a_role_that_the_token_does_not_allow_is_refused_for_good() {
    let stage = Stage::plain().await;
    let good = client_options(stage.address, Some(&who("ann")), Role::Worker);
    let options = LinkOptions {
        token: Some("only-monitor".into()),
        ..good
    };
    refused(options, "403").await;
}

#[tokio::test]
async fn an_upgrade_that_cannot_be_read_is_a_bad_request() {
    let stage = Stage::plain().await;
    let bare = || {
        let uri = format!("ws://{}{PATH}", stage.address).parse().unwrap();
        ClientRequestBuilder::new(uri).with_header("authorization", format!("Bearer {TOKEN}"))
    };
    let elsewhere = format!("ws://{}/api/v1/other", stage.address);
    let elsewhere = ClientRequestBuilder::new(elsewhere.parse().unwrap());
    for (request, expected) in [
        (good_request(stage.address), 101),
        (bare().with_sub_protocol(SUBPROTOCOL), 101),
        (bare(), 400),
        (bare().with_sub_protocol("warrener.link.v2"), 400),
        (elsewhere.with_sub_protocol(SUBPROTOCOL), 400),
        (
            bare()
                .with_sub_protocol(SUBPROTOCOL)
                .with_header(AGENT_HEADER, "ann"),
            400,
        ),
        (
            bare()
                .with_sub_protocol(SUBPROTOCOL)
                .with_header(ROLE_HEADER, "king"),
            400,
        ),
    ] {
        assert_eq!(status(stage.address, request).await, expected);
    }
    // Whoever is turned away leaves nothing behind.
    Raw::connect(stage.address).await;
}

#[tokio::test]
async fn the_token_is_in_no_debug_output() {
    let stage = Stage::plain().await;
    let (link, _pipe) = stage.client(None, Role::Monitor).await;
    assert!(!format!("{link:?}").contains(TOKEN));
}
