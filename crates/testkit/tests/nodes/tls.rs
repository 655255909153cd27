//! TLS with certificates of the node's own authority.

use crate::client::{Client, within};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::{Connection, ConnectionProperties};
use warrener_testkit::rabbit::{Identity, Node, Options, Tls};

async fn connect(url: &str, trusted: String, shown: Option<Identity>) -> lapin::Result<Connection> {
    let identity = shown.map(|identity| OwnedIdentity::PKCS8 {
        pem: identity.certificate.into_bytes(),
        key: identity.key.into_bytes(),
    });
    let config = OwnedTLSConfig {
        identity,
        cert_chain: Some(trusted),
    };
    let runtime = lapin::runtime::default_runtime()?;
    let properties = ConnectionProperties::default();
    within(Connection::connect_with_config(
        url, properties, config, runtime,
    ))
    .await
}

#[tokio::test]
async fn a_certificate_is_shown_asked_for_and_enough_to_log_in() {
    let node = Node::start(&Options {
        tls: Tls::Mutual,
        ..Options::default()
    });
    let vhost = node.vhost();
    vhost.user("badger", "secret", [".*", ".*", ".*"]);
    let authority = node.authority();
    let url = vhost.url_external();

    let known = authority.client("badger");
    let connection = connect(&url, authority.certificate(), Some(known)).await;
    let client = Client::over(connection.unwrap()).await;
    client.declare("q").await;
    client.publishes("q", b"in secret").await;
    let open = Client::connect(&vhost.url()).await;
    assert_eq!(open.get("q").await.as_deref(), Some(&b"in secret"[..]));

    let nameless = connect(&url, authority.certificate(), None).await;
    assert!(nameless.is_err());
    let unknown = authority.client("nobody");
    let unknown = connect(&url, authority.certificate(), Some(unknown)).await;
    assert!(unknown.is_err());
    let stranger = warrener_testkit::rabbit::Authority::new();
    let known = authority.client("badger");
    let fooled = connect(&url, stranger.certificate(), Some(known)).await;
    assert!(fooled.is_err());
}
