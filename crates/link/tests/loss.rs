//! Links that end, from both ends, and come back.

mod stage;

use stage::raw::Raw;
use stage::{HANG, Stage, becomes, client_options, is_away, quick};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_api::link::ToClient;
use warrener_backend::broker::{Address, Broker, Health, Receipt, Subscribe};
use warrener_backend::error::Error;
use warrener_backend::fault::{Fault, Plan, point};
use warrener_backend::memory::MemoryOptions;
use warrener_link::{Connection, LinkBroker, LinkOptions, ServeOptions};
use warrener_model::agent::Role;
use warrener_testkit::broker::talk::{
    PRESENCE, RESULTS, depth_is, eventually, next, note, offers, publish, read, readers_are, said,
    take, to, try_read, until_over, who, will, within,
};

#[tokio::test]
async fn a_link_comes_back_after_its_server() {
    let mut stage = Stage::plain().await;
    stage.broker.ensure(&[offers("one")]).await.unwrap();
    let (link, _pipe) = stage.client(Some(&who("ann")), Role::Worker).await;
    let agent: Arc<dyn Broker> = Arc::new(link.clone());
    for goodbye in [true, false] {
        let mut reader = read(&agent, &offers("one"), 1).await;
        if goodbye {
            let mut raw = Raw::connect(stage.address).await;
            stage.stop_server().await;
            assert_eq!(raw.farewell().await, (1001, "the server stops".into()));
        } else {
            stage.kill_server().await;
        }
        until_over(&mut reader).await;
        becomes(&link, is_away).await;
        let result = agent.publish(vec![to(&PRESENCE, note(1))]).await;
        assert!(
            matches!(result, Err(Error::Unavailable { .. })),
            "{result:?}"
        );
        let result = try_read(&agent, &offers("one"), 1).await;
        assert!(
            matches!(result, Err(Error::Unavailable { .. })),
            "{result:?}"
        );
        assert!(matches!(agent.health().await, Health::Down(_)));

        stage.start_server().await;
        link.ready(HANG).await.unwrap();
        let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
        readers_are(&server, &offers("one"), 0).await;
        let mut reader = read(&agent, &offers("one"), 1).await;
        publish(&server, &offers("one"), note(7)).await;
        assert_eq!(take(&mut reader).await, 7);
        reader.close();
    }
}

#[tokio::test]
async fn a_link_waits_for_a_server_that_starts_later() {
    let mut stage = Stage::plain().await;
    stage.kill_server().await;
    let options = client_options(stage.address, Some(&who("ann")), Role::Worker);
    let hurried = LinkBroker::connect(options.clone()).unwrap();
    let patient = LinkBroker::connect(LinkOptions {
        patience: HANG,
        ..options
    })
    .unwrap();
    let topic = Address::Topic("task.done".into());
    let ask = || Subscribe {
        from: topic.clone(),
        credit: 1,
        will: None,
    };
    let result = hurried.subscribe(ask()).await;
    assert!(
        matches!(result, Err(Error::Unavailable { .. })),
        "{result:?}"
    );
    let (subscribed, ()) = tokio::join!(patient.subscribe(ask()), stage.start_server());
    subscribed.unwrap();
    hurried.ready(HANG).await.unwrap();
}

#[tokio::test]
async fn verdicts_of_an_old_connection_say_nothing_on_the_new_one() {
    let stage = Stage::plain().await;
    let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
    let one = offers("one");
    server.ensure(std::slice::from_ref(&one)).await.unwrap();
    let (link, pipe) = stage.client(Some(&who("ann")), Role::Worker).await;
    let agent: Arc<dyn Broker> = Arc::new(link.clone());
    let mut reader = read(&agent, &one, 2).await;
    for n in 1..3 {
        publish(&server, &one, note(n)).await;
    }
    let old = [next(&mut reader).await, next(&mut reader).await];
    pipe.cut();
    until_over(&mut reader).await;
    drop(reader);
    let fresh = async {
        loop {
            if let Ok(subscription) = try_read(&agent, &one, 2).await {
                return subscription;
            }
        }
    };
    let mut reader = within("a new subscription", fresh).await;
    let new = [next(&mut reader).await, next(&mut reader).await];
    for delivery in old {
        delivery.ack();
    }
    // This was heard after them.
    assert_eq!(agent.depth(&one).await.unwrap().unsettled, 2);
    for delivery in new {
        assert!(delivery.redelivered);
        delivery.ack();
    }
    depth_is(&server, &one, 0, 0).await;
}

#[tokio::test]
async fn what_was_sent_when_the_link_broke_is_unknown() {
    let plan = Plan::default();
    let stage = Stage::with_plan(MemoryOptions::default(), quick(), plan.clone()).await;
    stage.broker.ensure(&[RESULTS]).await.unwrap();
    let ann = who("ann");
    let (link, pipe) = stage.client(Some(&ann), Role::Worker).await;
    for (fault, there) in [(Fault::HangBefore, 0), (Fault::HangAfter, 1)] {
        link.ready(HANG).await.unwrap();
        plan.script(point::PUBLISH, [fault]);
        let calls = plan.calls(point::PUBLISH);
        let batch = vec![to(&RESULTS, said(&ann, 1))];
        let (receipts, ()) = tokio::join!(link.publish(batch), async {
            eventually("the server at work", || async {
                plan.calls(point::PUBLISH) > calls
            })
            .await;
            pipe.cut();
        });
        assert_eq!(receipts.unwrap(), [Receipt::Unknown]);
        assert_eq!(stage.broker.depth(&RESULTS).await.unwrap().ready, there);
        becomes(&link, |now| *now == Connection::Up).await;
    }
}

#[tokio::test]
async fn a_request_without_an_answer_ends_and_leaves_nothing_behind() {
    let plan = Plan::default();
    let stage = Stage::with_plan(MemoryOptions::default(), quick(), plan.clone()).await;
    let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
    server.ensure(&[RESULTS, PRESENCE]).await.unwrap();
    let ann = who("ann");
    let link = LinkBroker::connect(LinkOptions {
        request_timeout: Duration::from_millis(50),
        ..client_options(stage.address, Some(&ann), Role::Worker)
    })
    .unwrap();
    link.ready(HANG).await.unwrap();
    plan.script(point::PUBLISH, [Fault::HangBefore]);
    let receipts = link.publish(vec![to(&RESULTS, said(&ann, 1))]).await;
    assert_eq!(receipts.unwrap(), [Receipt::Unknown]);

    plan.script(point::SUBSCRIBE, [Fault::Slow(Duration::from_millis(300))]);
    let subscribed = CancellationToken::new();
    let seen = subscribed.clone();
    plan.after(point::SUBSCRIBE, move |_| {
        seen.cancel();
        std::future::ready(())
    });
    let control = Address::Control(ann.clone());
    let ask = Subscribe {
        from: control.clone(),
        credit: 1,
        will: Some(will(&ann)),
    };
    let result = link.subscribe(ask).await;
    assert!(
        matches!(result, Err(Error::Unavailable { .. })),
        "{result:?}"
    );
    // It comes to be after all; the client closes what nobody waits for, without its will.
    within("the late subscription", subscribed.cancelled()).await;
    eventually("its end", || async {
        server.depth(&control).await.is_err()
    })
    .await;
    assert_eq!(server.depth(&PRESENCE).await.unwrap().ready, 0);
}

#[tokio::test]
async fn a_client_that_falls_silent_is_cut_and_its_will_published() {
    let options = ServeOptions {
        ping: Duration::from_millis(50),
        misses: 3,
        ..quick()
    };
    let stage = Stage::new(MemoryOptions::default(), options).await;
    let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
    server.ensure(&[PRESENCE]).await.unwrap();
    let mut presence = read(&server, &PRESENCE, 1).await;
    let mut raw = Raw::connect(stage.address).await;
    raw.say(
        r#"{"op":"subscribe","n":1,"from":"control/ann/00000001","credit":1,"will":{"to":"inbox/presence","message":{"id":"01931b66-7d50-7c8a-b7a5-64d2f14f8c11","kind":"bye","body":{"v":1,"agent_id":"ann","instance":"00000001","reason":"gone"}}}}"#,
    )
    .await;
    assert!(matches!(raw.hear().await, ToClient::Reply(reply) if reply.ok.is_some()));
    // From here on it answers no ping, for nobody reads.
    let delivery = next(&mut presence).await;
    assert_eq!(&*delivery.message.kind, "bye");
    let (code, reason) = raw.farewell().await;
    assert_eq!(code, 1008);
    assert!(reason.contains("nothing was heard"), "{reason}");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_and_found_again() {
    let stage = Stage::plain().await;
    let pipe = stage::pipe::Pipe::to(stage.address).await;
    let link = LinkBroker::connect(LinkOptions {
        ping: Duration::from_millis(50),
        connect_timeout: Duration::from_millis(200),
        ..client_options(pipe.address, Some(&who("ann")), Role::Worker)
    })
    .unwrap();
    link.ready(HANG).await.unwrap();
    pipe.stop();
    becomes(&link, is_away).await;
    pipe.go_on();
    becomes(&link, |now| *now == Connection::Up).await;
}

#[tokio::test]
async fn a_busy_program_keeps_its_link() {
    let options = ServeOptions {
        ping: Duration::from_millis(100),
        misses: 3,
        ..quick()
    };
    let stop = CancellationToken::new();
    let (address_out, address_in) = std::sync::mpsc::channel();
    let until = stop.clone();
    // The server is another program: it must not be kept from running by this one.
    let server = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async {
            let stage = Stage::new(MemoryOptions::default(), options).await;
            address_out.send(stage.address).unwrap();
            until.cancelled().await;
        });
    });
    let address = address_in.recv().unwrap();
    let link = LinkBroker::connect(LinkOptions {
        ping: Duration::from_millis(100),
        ..client_options(address, Some(&who("ann")), Role::Worker)
    })
    .unwrap();
    link.ready(HANG).await.unwrap();
    let mut connection = link.connected();
    connection.mark_unchanged();
    // This thread is the only one of its runtime.
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(!connection.has_changed().unwrap(), "{link:?}");
    assert_eq!(link.health().await, Health::Up);
    stop.cancel();
    server.join().unwrap();
}

#[tokio::test]
async fn a_link_that_is_closed_has_said_all_that_it_was_told() {
    let stage = Stage::plain().await;
    let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
    let one = offers("one");
    server.ensure(&[one.clone(), PRESENCE]).await.unwrap();
    let ann = who("ann");
    let (link, _pipe) = stage.client(Some(&ann), Role::Worker).await;
    let agent: Arc<dyn Broker> = Arc::new(link.clone());
    let mut reader = read(&agent, &one, 50).await;
    for n in 0..50 {
        publish(&server, &one, note(n)).await;
    }
    for n in 0..50 {
        assert_eq!(take(&mut reader).await, n);
    }
    link.close().await;
    assert_eq!(*link.connected().borrow(), Connection::Closed);
    readers_are(&server, &one, 0).await;
    depth_is(&server, &one, 0, 0).await;
    let result = try_read(&agent, &one, 1).await;
    assert!(
        matches!(result, Err(Error::Unavailable { .. })),
        "{result:?}"
    );
}

#[tokio::test]
async fn the_last_handle_takes_the_link_with_it() {
    let stage = Stage::plain().await;
    let server: Arc<dyn Broker> = Arc::new(stage.broker.clone());
    server.ensure(&[PRESENCE]).await.unwrap();
    let ann = who("ann");
    let (link, _pipe) = stage.client(Some(&ann), Role::Worker).await;
    let ask = Subscribe {
        from: Address::Control(ann.clone()),
        credit: 1,
        will: Some(will(&ann)),
    };
    let mut control = link.subscribe(ask).await.unwrap();
    let watch = link.connected();
    let other = link.clone();
    drop(link);
    assert_eq!(other.health().await, Health::Up);
    drop(other);
    until_over(&mut control).await;
    let mut presence = read(&server, &PRESENCE, 1).await;
    assert_eq!(&*next(&mut presence).await.message.kind, "bye");
    eventually("the end of the thread", || async {
        *watch.borrow() == Connection::Closed
    })
    .await;
}
