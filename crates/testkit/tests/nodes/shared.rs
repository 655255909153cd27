//! One node for many tests, each in a vhost of its own.

use std::sync::OnceLock;

use crate::client::Client;
use lapin::{Connection, ConnectionProperties};
use warrener_testkit::rabbit::{Node, Options};

fn node() -> &'static Node {
    static NODE: OnceLock<Node> = OnceLock::new();
    NODE.get_or_init(|| Node::start(&Options::with_management()))
}

#[tokio::test]
async fn vhosts_of_one_node_do_not_meet() {
    let (mine, other) = (node().vhost(), node().vhost());
    assert_ne!(mine.name(), other.name());
    let (one, two) = (
        Client::connect(&mine.url()).await,
        Client::connect(&other.url()).await,
    );
    for client in [&one, &two] {
        client.declare("q").await;
    }
    one.publishes("q", b"mine").await;
    assert_eq!(two.get("q").await, None);
    assert_eq!(one.get("q").await.as_deref(), Some(&b"mine"[..]));
}

#[tokio::test]
async fn a_dropped_vhost_is_gone_from_the_broker() {
    let vhost = node().vhost();
    let url = vhost.url();
    let client = Client::connect(&url).await;
    drop(vhost);
    drop(client);
    let again = Connection::connect(&url, ConnectionProperties::default()).await;
    assert!(again.is_err());
}

#[tokio::test]
async fn a_user_may_do_what_was_granted_and_no_more() {
    let vhost = node().vhost();
    vhost.user("reader", "secret", ["^$", "^$", "^q$"]);
    let owner = Client::connect(&vhost.url()).await;
    owner.declare("q").await;
    owner.publishes("q", b"for all").await;
    let url = vhost.url().replace("guest:guest", "reader:secret");
    let reader = Client::connect(&url).await;
    assert!(reader.get("q").await.is_some());
    let refused = reader.publish("q", b"not mine").await;
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn the_broker_evaluates_what_it_is_told() {
    assert_eq!(node().eval("lists:sum([1, 2, 3])."), "6");
    let version = node().eval("{ok, V} = application:get_key(rabbit, vsn), V.");
    assert_eq!(version, format!("{:?}", node().install().version()));
}

#[test]
fn management_and_metrics_answer() {
    let overview = format!("{}/api/overview", node().management());
    let get = ureq::get(&overview).header("Authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=");
    let answer: serde_json::Value = get.call().unwrap().body_mut().read_json().unwrap();
    assert_eq!(
        answer["rabbitmq_version"].as_str(),
        Some(node().install().version())
    );
    let metrics = ureq::get(&node().metrics()).call().unwrap();
    let metrics = metrics.into_body().read_to_string().unwrap();
    assert!(metrics.contains("rabbitmq_connections"), "{metrics}");
}
