//! What the tests of this crate stand on: one node for a test binary, a vhost for a test, quick timers.

#![allow(dead_code)] // Each test binary uses a part of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use warrener_backend::broker::Broker;
use warrener_model::agent::Who;
use warrener_rabbitmq::{Limits, RabbitBroker, Role, Settings};
use warrener_testkit::proxy::Proxy;
use warrener_testkit::rabbit::{Node, Options, Vhost};

/// Far more than anything here takes on a machine that is busy.
pub const HANG: Duration = Duration::from_secs(60);

/// The node that the tests of a binary share; none of them may stop or block it.
pub fn node() -> &'static Node {
    static NODE: OnceLock<Node> = OnceLock::new();
    NODE.get_or_init(|| Node::start(&Options::default()))
}

/// A vhost of it.
pub async fn vhost() -> Vhost<'static> {
    blocking(|| node().vhost()).await
}

/// Calls of the test kit block.
pub async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(act).await.expect("it does not panic")
}

/// Quick timers. The queues are small enough to be filled: one that refuses takes one more than its limit.
pub fn quick(url: &str, role: Role) -> Settings {
    Settings {
        url: url.into(),
        role,
        backoff_base: Duration::from_millis(20),
        backoff_max: Duration::from_millis(200),
        limits: Limits {
            offers: 49,
            presence: 50,
            topic: 20,
            ..Limits::default()
        },
        ..Settings::default()
    }
}

/// A broker that is ready.
pub async fn ready(settings: Settings) -> RabbitBroker {
    let broker = RabbitBroker::connect(settings).expect("the settings are good");
    broker.ready(HANG).await.expect("the node is up");
    broker
}

pub async fn server(url: &str) -> Arc<dyn Broker> {
    Arc::new(ready(quick(url, Role::Server)).await)
}

pub async fn agent(url: &str, who: &Who) -> Arc<dyn Broker> {
    Arc::new(ready(quick(url, Role::Agent(who.clone()))).await)
}

/// A proxy before a node, and the URL that leads through it to the same vhost.
pub async fn through_proxy(node: &Node, url: &str) -> (Proxy, String) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, node.port()));
    let proxy = Proxy::start(address).await.expect("a port is free");
    let port = format!(":{}/", node.port());
    let url = url.replace(&port, &format!(":{}/", proxy.port()));
    (proxy, url)
}
