//! A namespace has one store, whoever starts when.

mod stage;

use stage::{blocking, close_connections, delete_queue, quick, ready, settle, vhost};
use std::sync::Arc;
use warrener_backend::error::Error;
use warrener_model::Timestamp;
use warrener_model::id::StoreId;
use warrener_rabbitmq::{RabbitBroker, Role};
use warrener_testkit::broker::talk::{eventually, note, offers, to, who};
use warrener_testkit::rabbit::{Node, Options};

fn store(n: u8) -> StoreId {
    StoreId::new(Timestamp::from_millis(1_700_000_000_000), [n; 10])
}

async fn server(url: &str) -> RabbitBroker {
    ready(quick(url, Role::Server)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_store_owns_the_namespace_and_another_is_told_both_names() {
    let vhost = vhost().await;
    let (first, second) = (server(&vhost.url()).await, server(&vhost.url()).await);
    first.claim_ownership(store(1)).await.unwrap();
    // More often than a message may be delivered: asking wears nothing out.
    for _ in 0..25 {
        let refused = second.claim_ownership(store(2)).await.unwrap_err();
        let Error::Taken { .. } = &refused else {
            panic!("{refused:?}");
        };
        let text = refused.to_string();
        for part in [&store(1).to_string(), &store(2).to_string(), "agent.owner"] {
            assert!(text.contains(part), "{part} is missing: {text}");
        }
        assert!(!text.contains("guest"), "{text}");
    }
    // Another server of the same store, and the same one again.
    second.claim_ownership(store(1)).await.unwrap();
    first.claim_ownership(store(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_start_at_once_one_store_wins_with_all_its_servers() {
    for _ in 0..5 {
        let vhost = vhost().await;
        let mut servers = Vec::new();
        for n in 0..6 {
            servers.push((n % 3, server(&vhost.url()).await));
        }
        let claims = servers.iter().map(|(n, server)| async move {
            loop {
                match server.claim_ownership(store(*n)).await {
                    Ok(()) => return Some(*n),
                    Err(Error::Taken { .. }) => return None,
                    Err(Error::Unavailable { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        let won: Vec<u8> = futures_util::future::join_all(claims)
            .await
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(won.len(), 2, "both servers of one store: {won:?}");
        assert_eq!(won[0], won[1]);
        for (n, server) in &servers {
            assert_eq!(
                server.claim_ownership(store(*n)).await.is_ok(),
                *n == won[0]
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_survives_a_restart_and_a_running_server_claims_again() {
    let node = Arc::new(blocking(|| Node::start(&Options::default())).await);
    let first = server(&node.url()).await;
    first.claim_ownership(store(1)).await.unwrap();
    let restarted = node.clone();
    blocking(move || {
        settle(&restarted);
        restarted.kill();
        restarted.start_again();
    })
    .await;
    let second = server(&node.url()).await;
    let refused = second.claim_ownership(store(2)).await;
    assert!(matches!(refused, Err(Error::Taken { .. })), "{refused:?}");
    eventually("the owner", || async {
        first.claim_ownership(store(1)).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_deletes_the_queue_gives_the_namespace_to_the_next() {
    let vhost = vhost().await;
    let (first, second) = (server(&vhost.url()).await, server(&vhost.url()).await);
    first.claim_ownership(store(1)).await.unwrap();
    delete_queue(&vhost.url(), "agent.owner").await;
    second.claim_ownership(store(2)).await.unwrap();
    // The first one hears of it with its next connection, and works no more.
    close_connections(&vhost.url()).await;
    eventually("a refusal", || async {
        let health = format!(
            "{:?}",
            warrener_backend::broker::Broker::health(&first).await
        );
        health.contains(&store(2).to_string())
    })
    .await;
    let lost = first.lost_ownership().await;
    assert!(matches!(lost, Error::Taken { .. }), "{lost:?}");
    eventually("no publish", || async {
        let note = vec![to(&offers("one"), note(1))];
        let refused = warrener_backend::broker::Broker::publish(&first, note).await;
        matches!(refused, Err(Error::Taken { .. }))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_own_nothing() {
    let vhost = vhost().await;
    let agent = ready(quick(&vhost.url(), Role::Agent(who("ann")))).await;
    let refused = agent.claim_ownership(store(1)).await;
    assert!(matches!(refused, Err(Error::NotAllowed(_))), "{refused:?}");
}
