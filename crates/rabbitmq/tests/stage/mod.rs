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
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// The node that the tests of a binary share; none of them may stop or block it.
pub(crate) fn node() -> &'static Node {
    told();
    static NODE: OnceLock<Node> = OnceLock::new();
    NODE.get_or_init(|| Node::start(&Options::default()))
}

/// A vhost of it.
pub(crate) async fn vhost() -> Vhost<'static> {
    blocking(|| node().vhost()).await
}

/// Calls of the test kit block.
pub(crate) async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(act)
        .await
        .expect("it does not panic")
}

/// Quick timers. The queues are small enough to be filled: one that refuses takes one more than its limit.
pub(crate) fn quick(url: &str, role: Role) -> Settings {
    Settings {
        url: url.into(),
        role,
        confirm_deadline: Duration::from_secs(5),
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
pub(crate) async fn ready(settings: Settings) -> RabbitBroker {
    let broker = RabbitBroker::connect(settings).expect("the settings are good");
    broker.ready(HANG).await.expect("the node is up");
    broker
}

pub(crate) async fn server(url: &str) -> Arc<dyn Broker> {
    Arc::new(ready(quick(url, Role::Server)).await)
}

pub(crate) async fn agent(url: &str, who: &Who) -> Arc<dyn Broker> {
    Arc::new(ready(quick(url, Role::Agent(who.clone()))).await)
}

/// A proxy before a node, and the URL that leads through it to the same vhost.
pub(crate) async fn through_proxy(node: &Node, url: &str) -> (Proxy, String) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, node.port()));
    let proxy = Proxy::start(address).await.expect("a port is free");
    let port = format!(":{}/", node.port());
    let url = url.replace(&port, &format!(":{}/", proxy.port()));
    (proxy, url)
}

/// Lets a failed test show what the crate and its client said: set `RUST_LOG`.
pub(crate) fn told() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    // Another test of this binary was first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .try_init();
}

/// Lets a node write down which queues it has. It does so now and then (every half second at most), and a quorum queue
/// that was made just before a power cut is there after it, but has lost its log and never answers again (seen on 3.10.8).
pub(crate) fn settle(node: &Node) {
    node.eval("[ok = dets:sync(Table) || Table <- dets:all()].");
}

/// What the node says to an expression about the vhost of a URL; `VHOST` in it is that vhost as Erlang writes it.
pub(crate) async fn asked(url: &str, expression: &str) -> String {
    let vhost = url
        .rsplit('/')
        .next()
        .expect("a URL has a vhost")
        .replace("%2f", "/");
    let expression = expression.replace("VHOST", &format!("<<\"{vhost}\">>"));
    blocking(move || node().eval(&expression)).await
}

/// The broker ends every connection of a vhost, as an operator would.
pub(crate) async fn close_connections(url: &str) {
    asked(
        url,
        r#"[rabbit_networking:close_connection(P, "test") || P <- rabbit_networking:connections(),
         (catch rabbit_networking:connection_info(P, [vhost])) =:= [{vhost, VHOST}]]."#,
    )
    .await;
}

/// Deletes a queue, as an operator would.
pub(crate) async fn delete_queue(url: &str, queue: &str) {
    let expression = format!(
        r#"{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(VHOST, queue, <<"{queue}">>)),
        {{ok, _}} = rabbit_amqqueue:delete(Q, false, false, <<"test">>)."#
    );
    asked(url, &expression).await;
}
