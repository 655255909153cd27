//! Findings about a broker.

mod stage;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use stage::{blocking, node, quick, server, vhost};
use std::sync::Arc;
use std::time::Duration;
use warrener_backend::broker::Broker;
use warrener_rabbitmq::check::{Finding, Severity, check};
use warrener_rabbitmq::{Role, Settings};
use warrener_testkit::broker::talk::{RESULTS, lane, offers};
use warrener_testkit::rabbit::{Alarm, Node, Options};

fn worst(findings: &[Finding]) -> &Finding {
    findings
        .iter()
        .max_by_key(|finding| finding.severity)
        .expect("there is always one")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_as_it_should_be_has_nothing_bad() {
    let vhost = vhost().await;
    let settings = quick(&vhost.url(), Role::Server);
    let lanes = [lane("one")];
    let empty = check(&settings, &lanes).await;
    assert_eq!(worst(&empty).severity, Severity::Note, "{empty:?}");
    let server: Arc<dyn Broker> = server(&vhost.url()).await;
    let refused = server.depth(&offers("one")).await;
    assert!(refused.is_err(), "looking makes nothing");
    server
        .ensure(&[offers("one"), RESULTS])
        .await
        .expect("it is up");
    let made = check(&settings, &lanes).await;
    assert!(
        !made
            .iter()
            .any(|finding| finding.what.contains("tasks.one does not")),
        "{made:?}"
    );
    for id in ["version", "login", "topology", "alarm"] {
        let fine = |finding: &Finding| finding.id == id && finding.severity == Severity::Fine;
        assert!(made.iter().any(fine), "{id}: {made:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_found_and_what_to_do_is_said() {
    let vhost = vhost().await;
    let connection = Connection::connect(&vhost.url(), ConnectionProperties::default())
        .await
        .expect("the node is up");
    let channel = connection.create_channel().await.expect("it is new");
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let made = channel.queue_declare("agent.results".into(), options, FieldTable::default());
    made.await.expect("the vhost is empty");
    let good = quick(&vhost.url(), Role::Server);
    let url = |from: &str, to: &str| Settings {
        url: vhost.url().replace(from, to),
        connect_deadline: Duration::from_secs(5),
        ..good.clone()
    };
    let port = format!(":{}/", node().port());
    for (settings, id) in [
        (good.clone(), "drift"),
        (url("guest:guest", "guest:wrong"), "login"),
        (url("test-", "no-such-"), "login"),
        (url(&port, ":1/"), "greeting"),
        (url("amqp://", "http://"), "url"),
    ] {
        let findings = check(&settings, &[]).await;
        let worst = worst(&findings);
        assert_eq!(
            (worst.id, worst.severity),
            (id, Severity::Critical),
            "{findings:?}"
        );
        assert!(!worst.remedy.is_empty());
        assert!(!format!("{findings:?}").contains("wrong"), "{findings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_is_found() {
    let node = blocking(|| {
        let node = Node::start(&Options::default());
        node.raise(Alarm::Disk);
        node
    })
    .await;
    let settings = Settings {
        confirm_deadline: Duration::from_secs(2),
        answer_deadline: Duration::from_secs(2),
        ..quick(&node.url(), Role::Server)
    };
    let findings = check(&settings, &[]).await;
    let alarm = findings.iter().find(|finding| finding.id == "alarm");
    let alarm = alarm.expect("it was looked for");
    assert_eq!(alarm.severity, Severity::Critical, "{findings:?}");
    assert!(alarm.what.contains("disk"), "{findings:?}");
    blocking(move || drop(node)).await;
}
