//! Three nodes that are one broker.

use crate::client::{Client, within};
use warrener_testkit::rabbit::{Cluster, Options};

#[tokio::test]
async fn a_queue_whose_leader_is_killed_goes_on_and_the_leader_comes_back() {
    let cluster = Cluster::start(3, &Options::default());
    let first = Client::connect(&cluster.nodes()[0].url()).await;
    first.declare("q").await;
    first.publishes("q", b"1").await;
    let led = cluster.leader("/", "q");

    cluster.nodes()[led].kill();
    cluster.await_members(2);
    let leads = cluster.leader("/", "q");
    assert_ne!(leads, led);
    let survivor = (0..3).find(|index| ![led, leads].contains(index)).unwrap();
    let client = Client::connect(&cluster.nodes()[survivor].url()).await;
    client.publishes("q", b"2").await;
    assert_eq!(client.get("q").await.as_deref(), Some(&b"1"[..]));

    cluster.nodes()[led].start_again();
    cluster.await_members(3);
    let back = Client::connect(&cluster.nodes()[led].url()).await;
    assert_eq!(back.get("q").await.as_deref(), Some(&b"2"[..]));
    within(back.connection.close(200, "".into())).await.unwrap();
}
