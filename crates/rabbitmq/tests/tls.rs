//! `amqps`: a broker that is believed for its authority's sake, and clients that log in with a certificate.

mod stage;

use stage::{blocking, quick, ready};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use warrener_backend::broker::Broker;
use warrener_backend::error::Error;
use warrener_rabbitmq::{RabbitBroker, Role, Settings};
use warrener_testkit::broker::talk::{offers, read, send, take};
use warrener_testkit::rabbit::{Node, Options, Tls};

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("the folder is ours");
    path
}

async fn node(tls: Tls) -> Node {
    let options = Options {
        tls,
        ..Options::default()
    };
    blocking(move || Node::start(&options)).await
}

async fn works(settings: Settings) {
    let broker: Arc<dyn Broker> = Arc::new(ready(settings).await);
    broker.ensure(&[offers("one")]).await.expect("it is up");
    send(&broker, &offers("one"), 1..4).await;
    let mut reader = read(&broker, &offers("one"), 5).await;
    for expected in 1..4 {
        assert_eq!(take(&mut reader).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_is_believed_for_its_authority_only() {
    let node = node(Tls::Server).await;
    let folder = TempDir::new().expect("there is room");
    let ca = file(&folder, "ca.pem", &node.authority().certificate());
    let url = node.url_tls("%2f");
    works(Settings {
        ca: Some(ca),
        ..quick(&url, Role::Server)
    })
    .await;

    let stranger = RabbitBroker::connect(quick(&url, Role::Server)).expect("the settings are good");
    let reason = loop {
        match stranger.ready(Duration::from_millis(50)).await {
            Err(Error::Untrusted { reason, .. }) => break reason,
            // Not connected yet.
            other => assert!(matches!(other, Err(Error::Unavailable { .. })), "{other:?}"),
        }
    };
    assert!(reason.contains("certificate"), "{reason}");
    blocking(move || drop(node)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_logs_in() {
    let node = node(Tls::Mutual).await;
    node.eval(
        r#"ok = rabbit_auth_backend_internal:add_user(<<"warrener">>, <<"no one types this">>, <<"test">>),
        ok = rabbit_auth_backend_internal:set_permissions(
            <<"warrener">>, <<"/">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)."#,
    );
    let folder = TempDir::new().expect("there is room");
    let identity = node.authority().client("warrener");
    let url = node.url_tls("%2f");
    let (scheme, rest) = url.split_once("://").expect("a URL has a scheme");
    let place = rest.split_once('@').map_or(rest, |(_, place)| place);
    let settings = Settings {
        ca: Some(file(&folder, "ca.pem", &node.authority().certificate())),
        cert: Some(file(&folder, "cert.pem", &identity.certificate)),
        key: Some(file(&folder, "key.pem", &identity.key)),
        ..quick(&format!("{scheme}://{place}"), Role::Server)
    };
    works(settings.clone()).await;
    let version = ready(settings).await.version().await.expect("it is up");
    assert_eq!(version, format!("RabbitMQ {}", node.install().version()));
    blocking(move || drop(node)).await;
}
