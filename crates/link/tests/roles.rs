//! What the server lets through, seen from the other end.

mod stage;

use stage::raw::Raw;
use stage::{Stage, quick};
use std::sync::{Arc, Mutex};
use warrener_api::link::{Answer, Code, Receipt, ToClient};
use warrener_backend::broker::{self, Address, Broker, Inbox, Subscribe};
use warrener_backend::error::Error;
use warrener_link::{ServeOptions, Tally};
use warrener_model::agent::{Role, Who};
use warrener_model::id::InstanceId;
use warrener_testkit::broker::talk::{
    PRESENCE, RESULTS, depth_is, next, note, offers, publish, read, said, take, to, try_read, who,
    will,
};

#[tokio::test]
async fn a_violation_is_answered_and_nothing_of_its_batch_is_published() {
    let stage = Stage::plain().await;
    let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
    let (ann, ben) = (who("ann"), who("ben"));
    let submit = Address::Inbox(Inbox::Submit);
    let all = [
        PRESENCE,
        RESULTS,
        submit.clone(),
        offers("one"),
        Address::Dead,
    ];
    server.ensure(&all).await.unwrap();
    let (link, _pipe) = stage.client(Some(&ann), Role::Worker).await;
    let agent: Arc<dyn Broker> = Arc::new(link);
    for (address, message) in [
        (&PRESENCE, said(&ben, 1)),
        (&RESULTS, note(1)),
        (&submit, said(&ann, 1)),
        (&offers("one"), said(&ann, 1)),
        (&Address::Dead, said(&ann, 1)),
        (&Address::Control(ben.clone()), said(&ann, 1)),
        (&Address::Topic("task.done".into()), said(&ann, 1)),
    ] {
        let batch = vec![
            to(&PRESENCE, said(&ann, 1)),
            to(address, message),
            to(&RESULTS, said(&ann, 1)),
        ];
        let result = agent.publish(batch).await;
        let Err(Error::NotAllowed(why)) = result else {
            panic!("{address}: {result:?}");
        };
        assert!(why.contains("ann"), "{why}");
    }
    for address in &all {
        depth_is(&server, address, 0, 0).await;
    }
    // The link goes on.
    let receipt = publish(&agent, &PRESENCE, said(&ann, 2)).await;
    assert_eq!(receipt, broker::Receipt::Confirmed);
}

/// Counts what is refused.
#[derive(Debug, Default)]
struct Count(Mutex<Vec<&'static str>>);

impl Tally for Count {
    fn refused(&self, class: &'static str) {
        let mut told = self.0.lock().expect("pushing does not panic");
        told.push(class);
    }
}

#[tokio::test]
async fn a_link_stays_what_it_was_when_it_was_made_and_what_it_is_refused_is_counted() {
    let count = Arc::new(Count::default());
    let options = ServeOptions {
        tally: Some(count.clone()),
        ..quick()
    };
    let stage = Stage::new(Default::default(), options).await;
    let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
    let [signals, submit] = [Inbox::Signals, Inbox::Submit].map(Address::Inbox);
    let all = [PRESENCE, signals.clone(), submit.clone()];
    server.ensure(&all).await.unwrap();
    let ann = who("ann");
    let (link, _pipe) = stage.client(Some(&ann), Role::Worker).await;
    let agent: Arc<dyn Broker> = Arc::new(link);
    let second_boot = Who {
        instance: InstanceId::random(2),
        ..ann.clone()
    };
    let mut hello = said(&ann, 1);
    hello.kind = "hello".into();
    hello.body =
        r#"{"v":1,"agent_id":"ann","instance":"00000001","role":"leader","lanes":[],"slots":1}"#
            .into();
    for (address, message) in [
        (&PRESENCE, said(&second_boot, 1)),
        (&PRESENCE, hello),
        (&submit, said(&ann, 1)),
        (&Address::Dead, said(&ann, 1)),
    ] {
        let result = agent.publish(vec![to(address, message)]).await;
        assert!(matches!(result, Err(Error::NotAllowed(_))), "{result:?}");
    }
    let told = count.0.lock().unwrap().clone();
    assert_eq!(told, ["sender", "role", "role", "address"]);
    // A signal names nobody: the server's end says whose it is, whatever the client said.
    let mut signal = note(7);
    signal.kind = "signal".into();
    signal.sender = Some(who("ben").agent);
    publish(&agent, &signals, signal).await;
    let mut reader = read(&server, &signals, 1).await;
    assert_eq!(next(&mut reader).await.message.sender, Some(ann.agent));
}

#[tokio::test]
async fn an_agent_reads_nothing_that_is_not_its_own() {
    let stage = Stage::plain().await;
    let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
    let ann = who("ann");
    server
        .ensure(&[PRESENCE, offers("one"), Address::Dead])
        .await
        .unwrap();
    let (link, _pipe) = stage.client(Some(&ann), Role::Monitor).await;
    let agent: Arc<dyn Broker> = Arc::new(link);
    for address in [
        PRESENCE,
        Address::Dead,
        offers("one"),
        Address::Control(who("ben")),
    ] {
        let result = try_read(&agent, &address, 1).await;
        assert!(matches!(result, Err(Error::NotAllowed(_))), "{result:?}");
        let result = agent.depth(&address).await;
        assert!(matches!(result, Err(Error::NotAllowed(_))), "{result:?}");
    }
    let ask = Subscribe {
        from: Address::Control(ann.clone()),
        credit: 1,
        will: Some(will(&who("ben"))),
    };
    let result = agent.subscribe(ask).await;
    assert!(matches!(result, Err(Error::NotAllowed(_))), "{result:?}");
    let mut own = read(&agent, &Address::Control(ann.clone()), 1).await;
    publish(&server, &Address::Control(ann), note(3)).await;
    assert_eq!(take(&mut own).await, 3);
}

#[tokio::test]
async fn a_client_that_is_no_agent_submits_and_watches() {
    let stage = Stage::plain().await;
    let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
    let submit = Address::Inbox(Inbox::Submit);
    server.ensure(&[submit.clone(), PRESENCE]).await.unwrap();
    let (link, _pipe) = stage.client(None, Role::Leader).await;
    let client: Arc<dyn Broker> = Arc::new(link);
    let receipt = publish(&client, &submit, note(1)).await;
    assert_eq!(receipt, broker::Receipt::Confirmed);
    let topic = Address::Topic("task.done".into());
    let mut watcher = read(&client, &topic, 1).await;
    publish(&server, &topic, note(2)).await;
    assert_eq!(take(&mut watcher).await, 2);
    let result = client
        .publish(vec![to(&PRESENCE, said(&who("ann"), 1))])
        .await;
    assert!(matches!(result, Err(Error::NotAllowed(_))), "{result:?}");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_answered_and_the_link_goes_on() {
    let stage = Stage::plain().await;
    let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
    server.ensure(&[PRESENCE]).await.unwrap();
    let mut raw = Raw::connect(stage.address).await;
    let problem = async |raw: &mut Raw, text: &str| {
        raw.say(text).await;
        let ToClient::Reply(reply) = raw.hear().await else {
            panic!("{text} has no reply");
        };
        (reply.n, reply.problem.expect("it is refused").code)
    };
    for (text, expected) in [
        (
            r#"{"op":"subscribe","n":1,"from":"nowhere","credit":1}"#,
            (1, Code::Invalid),
        ),
        (
            r#"{"op":"subscribe","n":2,"from":"topic/a","credit":0}"#,
            (2, Code::Invalid),
        ),
        (
            r#"{"op":"subscribe","n":3,"from":"topic/a","credit":4000000}"#,
            (3, Code::Invalid),
        ),
        (
            r#"{"op":"depth","n":4,"of":"offers/high"}"#,
            (4, Code::Invalid),
        ),
        (
            r#"{"op":"depth","n":5,"of":"offers/one"}"#,
            (5, Code::NotFound),
        ),
        (
            r#"{"op":"subscribe","n":6,"from":"offers/one","credit":1}"#,
            (6, Code::NotFound),
        ),
    ] {
        assert_eq!(problem(&mut raw, text).await, expected);
    }
    // Verdicts and ends of what is not there say nothing.
    raw.say(r#"{"op":"settle","sub":9,"tag":9,"verdict":"ack"}"#)
        .await;
    raw.say(r#"{"op":"close","sub":9,"clean":true}"#).await;
    raw.say(
        r#"{"op":"publish","n":7,"batch":[{"to":"inbox/presence","message":{"id":"01931b66-7d50-7c8a-b7a5-64d2f14f8c11","kind":"x","body":{"agent_id":"ann","instance":"00000001"}}}]}"#,
    )
    .await;
    let ToClient::Reply(reply) = raw.hear().await else {
        panic!("no reply");
    };
    assert_eq!(reply.n, 7);
    assert_eq!(reply.ok, Some(Answer::Receipts(vec![Receipt::Confirmed])));

    raw.say(r#"{"op":"subscribe","n":8,"from":"topic/a","credit":1}"#)
        .await;
    raw.hear().await;
    let again = problem(
        &mut raw,
        r#"{"op":"subscribe","n":8,"from":"topic/a","credit":1}"#,
    )
    .await;
    assert_eq!(again, (8, Code::Invalid));
}

#[tokio::test]
async fn a_link_carries_a_bounded_number_of_subscriptions() {
    let stage = Stage::plain().await;
    let most = stage.options.subscriptions;
    let (link, _pipe) = stage.client(None, Role::Monitor).await;
    let client: Arc<dyn Broker> = Arc::new(link);
    let topic = Address::Topic("task.done".into());
    let mut watchers = Vec::new();
    for _ in 0..most {
        watchers.push(read(&client, &topic, 1).await);
    }
    let result = try_read(&client, &topic, 1).await;
    assert!(matches!(result, Err(Error::Invalid(_))), "{result:?}");
    watchers.pop();
    watchers.push(read(&client, &topic, 1).await);
}
