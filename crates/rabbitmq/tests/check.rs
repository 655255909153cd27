//! Findings about a broker.

mod stage;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use stage::{asked, blocking, node, quick, ready, server, vhost};
use std::sync::Arc;
use std::time::Duration;
use warrener_backend::broker::Address;
use warrener_backend::broker::Broker;
use warrener_model::agent::Who;
use warrener_model::id::StoreId;
use warrener_model::{AgentId, InstanceId};
use warrener_rabbitmq::check::{Finding, Purpose, Severity, check};
use warrener_rabbitmq::{RabbitBroker, Role, Settings};
use warrener_testkit::broker::talk::{RESULTS, lane, offers};
use warrener_testkit::rabbit::{Alarm, Node, Options};

fn purpose() -> Purpose {
    Purpose {
        lanes: vec![lane("one")],
        store: None,
        handoff: Duration::from_secs(60),
        policed: None,
    }
}

fn store(byte: u8) -> StoreId {
    StoreId::from_bytes([byte; 16])
}

/// What was found of this sort.
#[track_caller]
fn of<'a>(findings: &'a [Finding], id: &str) -> &'a Finding {
    let found = findings.iter().find(|finding| finding.id == id);
    found.unwrap_or_else(|| panic!("no {id} in {findings:#?}"))
}

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
    let empty = check(&settings, &purpose()).await;
    assert_eq!(worst(&empty).severity, Severity::Note, "{empty:?}");
    assert!(of(&empty, "topology").what.contains("nothing of namespace"));
    let server: Arc<dyn Broker> = server(&vhost.url()).await;
    let refused = server.depth(&offers("one")).await;
    assert!(refused.is_err(), "looking makes nothing");
    server
        .ensure(&[offers("one"), RESULTS])
        .await
        .expect("it is up");
    let made = check(&settings, &purpose()).await;
    assert_eq!(worst(&made).severity, Severity::Note, "{made:?}");
    assert!(
        !made
            .iter()
            .any(|finding| finding.what.contains("tasks.one does not")),
        "{made:?}"
    );
    for id in ["version", "login", "topology", "alarm", "permission"] {
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
        let findings = check(&settings, &purpose()).await;
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
    let findings = check(&settings, &purpose()).await;
    let alarm = findings.iter().find(|finding| finding.id == "alarm");
    let alarm = alarm.expect("it was looked for");
    assert_eq!(alarm.severity, Severity::Critical, "{findings:?}");
    assert!(alarm.what.contains("disk"), "{findings:?}");
    blocking(move || drop(node)).await;
}

/// A broker with everything in it, claimed by a store.
async fn furnished(url: &str) -> RabbitBroker {
    let broker = ready(quick(url, Role::Server)).await;
    broker.claim_ownership(store(1)).await.expect("it is free");
    let inboxes = [
        warrener_backend::Inbox::Presence,
        warrener_backend::Inbox::Signals,
        warrener_backend::Inbox::Submit,
    ];
    let mut all: Vec<Address> = inboxes.map(Address::Inbox).into();
    all.extend([RESULTS, offers("one")]);
    broker.ensure(&all).await.expect("it is up");
    broker
}

/// How many messages wait in each queue of the namespace, and that there is no other queue.
async fn waiting(url: &str) -> Vec<u32> {
    let names = [
        "owner",
        "presence",
        "results",
        "signals",
        "submit",
        "tasks.dead",
        "tasks.one",
    ];
    let queues = asked(url, "length(rabbit_amqqueue:list(VHOST)).").await;
    assert_eq!(queues, names.len().to_string());
    let properties = ConnectionProperties::default();
    let connection = Connection::connect(url, properties)
        .await
        .expect("it is up");
    let channel = connection.create_channel().await.expect("it is new");
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let mut counts = Vec::new();
    for name in names {
        let name = format!("agent.{name}").into();
        let asked = channel.queue_declare(name, options, FieldTable::default());
        counts.push(asked.await.expect("it is there").message_count());
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_often_changes_nothing_and_the_owner_stays() {
    let vhost = vhost().await;
    let _server = furnished(&vhost.url()).await;
    let settings = quick(&vhost.url(), Role::Server);
    let known = |store| Purpose { store, ..purpose() };
    let before = waiting(&vhost.url()).await;
    // More often than a message may come back before it counts as poison.
    for _ in 0..25 {
        let findings = check(&settings, &known(Some(store(1)))).await;
        assert_eq!(
            of(&findings, "owner").severity,
            Severity::Fine,
            "{findings:?}"
        );
        assert_eq!(worst(&findings).severity, Severity::Note, "{findings:?}");
    }
    let findings = check(&settings, &known(Some(store(2)))).await;
    let owner = of(&findings, "owner");
    assert_eq!(owner.severity, Severity::Critical, "{findings:?}");
    for word in [store(1).to_string(), store(2).to_string()] {
        assert!(owner.what.contains(&word), "{owner:?}");
    }
    assert!(owner.remedy.contains("delete_queue"), "{owner:?}");
    let findings = check(&settings, &known(None)).await;
    assert_eq!(of(&findings, "owner").severity, Severity::Fine);
    assert_eq!(waiting(&vhost.url()).await, before);
    let other = ready(quick(&vhost.url(), Role::Server)).await;
    assert!(other.claim_ownership(store(2)).await.is_err());
}

/// The three patterns that a remedy gives, in the order of the test kit.
fn patterns(remedy: &str) -> [String; 3] {
    let quoted: Vec<&str> = remedy.split('\'').skip(1).step_by(2).collect();
    [1, 2, 3].map(|at| quoted[at].to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_missing_are_named_and_the_remedy_is_enough() {
    let vhost = vhost().await;
    let _server = furnished(&vhost.url()).await;
    let who = Who {
        agent: AgentId::new("ann").expect("a name"),
        instance: InstanceId::random(1),
    };
    for (name, role) in [("srv", Role::Server), ("agt", Role::Agent(who))] {
        let none = format!("{name}-none");
        let url = |user: &str| {
            vhost
                .url()
                .replace("guest:guest", &format!("{user}:s3cret"))
        };
        vhost.user(&none, "s3cret", ["^$", "^$", "^$"]);
        let findings = check(&quick(&url(&none), role.clone()), &purpose()).await;
        let refused: Vec<&Finding> = findings.iter().filter(|f| f.id == "permission").collect();
        let all = format!("{refused:?}");
        for word in ["may not make", "may not write to", "may not read"] {
            assert!(all.contains(word), "{name}: no {word} in {findings:#?}");
        }
        assert!(refused.iter().all(|f| f.severity == Severity::Critical));
        let given = patterns(&refused[0].remedy);
        vhost.user(name, "s3cret", [&*given[0], &*given[1], &*given[2]]);
        let settings = quick(&url(name), role.clone());
        let findings = check(&settings, &purpose()).await;
        assert_eq!(
            of(&findings, "permission").severity,
            Severity::Fine,
            "{findings:#?}"
        );
        assert_eq!(worst(&findings).severity, Severity::Note, "{findings:#?}");
        // Each of the three is needed.
        for (place, word) in [
            (0, "may not make"),
            (1, "may not write to"),
            (2, "may not read"),
        ] {
            let mut less = [&*given[0], &*given[1], &*given[2]];
            less[place] = "^$";
            let user = format!("{name}-less-{place}");
            vhost.user(&user, "s3cret", less);
            let findings = check(&quick(&url(&user), role.clone()), &purpose()).await;
            let found = findings
                .iter()
                .any(|f| f.id == "permission" && f.what.contains(word));
            assert!(found, "{user}: {findings:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_may_not_write_in_its_own_name_is_found() {
    let vhost = vhost().await;
    let _server = furnished(&vhost.url()).await;
    vhost.user("ann", "s3cret", [".*", ".*", ".*"]);
    let topics = r#"ok = rabbit_auth_backend_internal:set_topic_permissions(
        <<"ann">>, VHOST, <<"agent.in">>, <<"\\.bob$">>, <<".*">>, <<"test">>)."#;
    assert_eq!(asked(&vhost.url(), topics).await, "ok");
    let url = vhost.url().replace("guest:guest", "ann:s3cret");
    for (name, severity) in [("ann", Severity::Critical), ("bob", Severity::Fine)] {
        let who = Who {
            agent: AgentId::new(name).expect("a name"),
            instance: InstanceId::random(1),
        };
        let findings = check(&quick(&url, Role::Agent(who)), &purpose()).await;
        let found = of(&findings, "permission");
        assert_eq!(found.severity, severity, "{findings:#?}");
        if severity == Severity::Critical {
            assert!(found.what.contains("key claim.ann"), "{found:?}");
            assert!(found.remedy.contains("topic permission"), "{found:?}");
        }
    }
}
