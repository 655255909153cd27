//! Connections and who they belong to: hearts that beat, logins, roles, goodbyes.

mod stage;

use stage::{agent, asked, node, quick, ready, server, through_proxy, vhost};
use std::sync::Arc;
use std::time::Duration;
use warrener_backend::broker::{Address, Broker, Health, Receipt};
use warrener_backend::error::Error;
use warrener_rabbitmq::{RabbitBroker, Role, Settings};
use warrener_testkit::broker::talk::{
    RESULTS, eventually, lane, next, note, number, offers, publish, read, said, send, to, try_read,
    until_over, who,
};
use warrener_testkit::proxy::Fault;

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_cable_is_noticed_by_its_heartbeat() {
    let vhost = vhost().await;
    let server = server(&vhost.url()).await;
    let one = offers("one");
    server
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    let (proxy, url) = through_proxy(node(), &vhost.url()).await;
    let ann = who("ann");
    let settings = Settings {
        heartbeat: Duration::from_secs(1),
        connect_deadline: Duration::from_millis(500),
        answer_deadline: Duration::from_millis(500),
        ..quick(&url, Role::Agent(ann.clone()))
    };
    let agent: Arc<dyn Broker> = Arc::new(ready(settings).await);
    let mut reader = read(&agent, &one, 1).await;
    let control = Address::Control(ann.clone());
    let mut own = read(&agent, &control, 1).await;
    proxy.set(Fault::Hang);
    until_over(&mut reader).await;
    until_over(&mut own).await;
    eventually("the loss", || async {
        matches!(agent.health().await, Health::Down(_))
    })
    .await;
    // The new connections find another way; the broker may not have missed the old ones yet, which is no other reader.
    proxy.set(Fault::None);
    eventually("a control address", || async {
        match try_read(&agent, &control, 1).await {
            Ok(_) => true,
            Err(Error::Unavailable { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    })
    .await;
}

#[test]
fn a_program_that_keeps_its_runtime_busy_keeps_its_connection() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let vhost = vhost().await;
        let server = server(&vhost.url()).await;
        server.ensure(&[offers("one")]).await.expect("it is up");
        let settings = Settings {
            heartbeat: Duration::from_secs(1),
            ..quick(&vhost.url(), Role::Agent(who("ann")))
        };
        let agent: Arc<dyn Broker> = Arc::new(ready(settings).await);
        let mut reader = read(&agent, &offers("one"), 1).await;
        send(&server, &offers("one"), 1..2).await;
        let held = next(&mut reader).await;
        // A handler that blocks the one thread of its runtime, for more heartbeats than may be missed.
        std::thread::sleep(Duration::from_secs(5));
        assert!(reader.try_next().is_none());
        held.ack();
        send(&server, &offers("one"), 2..3).await;
        let second = next(&mut reader).await;
        assert!(!second.redelivered, "the connection is the same");
        assert_eq!(number(&second.message), 2);
    });
}

/// Why it may not log in.
async fn eventually_refused(broker: &RabbitBroker) -> String {
    loop {
        match broker.ready(Duration::from_millis(50)).await {
            Err(Error::NotAllowed(why)) => return why,
            other => assert!(matches!(other, Err(Error::Unavailable { .. })), "{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_says_so_and_nothing_of_the_password() {
    let vhost = vhost().await;
    let url = vhost.url().replace("guest:guest@", "guest:s3cret@");
    let broker = RabbitBroker::connect(quick(&url, Role::Server)).unwrap();
    let refused = eventually_refused(&broker).await;
    let text = format!("{refused} {broker:?} {:?}", broker.health().await);
    assert!(
        text.contains("127.0.0.1") && !text.contains("s3cret"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_come_after_its_agents() {
    let vhost = vhost().await;
    let ann = who("ann");
    let agent = agent(&vhost.url(), &ann).await;
    assert_eq!(
        publish(&agent, &RESULTS, said(&ann, 1)).await,
        Receipt::Unroutable
    );
    let reading = try_read(&agent, &Address::Topic("task.#".into()), 1).await;
    assert!(matches!(reading, Err(Error::NotFound(_))), "{reading:?}");
    let server = server(&vhost.url()).await;
    server
        .ensure(&[RESULTS, Address::Offers(lane("one"))])
        .await
        .expect("it is up");
    assert_eq!(
        publish(&agent, &RESULTS, said(&ann, 2)).await,
        Receipt::Confirmed
    );
    read(&agent, &Address::Topic("task.#".into()), 1)
        .await
        .close();
    read(&agent, &offers("one"), 1).await.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_speak_to_inboxes_and_read_their_own() {
    let vhost = vhost().await;
    let server = server(&vhost.url()).await;
    server
        .ensure(&[RESULTS, offers("one")])
        .await
        .expect("it is up");
    let agent = agent(&vhost.url(), &who("ann")).await;
    for to_whom in [
        offers("one"),
        Address::Dead,
        Address::Control(who("ben")),
        Address::Topic("x".into()),
    ] {
        let refused = agent.publish(vec![to(&to_whom, note(1))]).await;
        assert!(
            matches!(refused, Err(Error::NotAllowed(_))),
            "{to_whom}: {refused:?}"
        );
    }
    for from in [RESULTS, Address::Dead, Address::Control(who("ben"))] {
        let refused = try_read(&agent, &from, 1).await;
        assert!(
            matches!(refused, Err(Error::NotAllowed(_))),
            "{from}: {refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_is_that_of_the_handshake_and_a_goodbye_is_final() {
    let vhost = vhost().await;
    let broker = ready(quick(&vhost.url(), Role::Server)).await;
    let version = broker.version().await.unwrap();
    assert_eq!(version, format!("RabbitMQ {}", node().install().version()));
    broker.close().await;
    assert!(matches!(broker.health().await, Health::Down(_)));
    let refused = broker.ensure(&[offers("one")]).await;
    assert!(
        matches!(refused, Err(Error::Unavailable { .. })),
        "{refused:?}"
    );
    let url = vhost.url();
    eventually("the end of its connections", || async {
        let left = asked(
            &url,
            "length([P || P <- rabbit_networking:connections(), (catch rabbit_networking:connection_info(P, [vhost])) =:= [{vhost, VHOST}]]).",
        );
        left.await == "0"
    })
    .await;
}
