//! Fast lanes with real agents: started without a question, done once, found again when their agent dies.

use crate::harness::{Place, until};
use crate::http::Http;
use crate::stage;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use warrener_backend::broker::{Delivery, Health, Subscribe};
use warrener_backend::{Address, Broker, Message, Outgoing};
use warrener_model::Lane;
use warrener_rabbitmq::{RabbitBroker, Role, Settings};

const BULK: &str = "[lane.bulk]\nstart = \"fast\"\n";

/// Notes who runs what; ends when its own file is there, or the one for all.
const GATED: &str = r#"
    echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts"
    cd "$WARRENER_AGENT_DIR"
    while [ ! -e "go-$WARRENER_TASK_ID" ] && [ ! -e go-all ]; do sleep 0.05; done
    echo '{}'"#;

fn bulk(http: &Http, count: usize) -> Vec<String> {
    http.batch(&vec![json!({ "kind": "work", "lane": "bulk" }); count])
}

/// How often each task was started.
fn starts(place: &Place) -> BTreeMap<String, usize> {
    let mut starts = BTreeMap::new();
    for id in place.lines("starts") {
        *starts.entry(id).or_default() += 1;
    }
    starts
}

#[test]
fn many_tasks_of_a_fast_lane_are_done_once_though_an_agent_is_killed_with_some_of_them() {
    let place = Place::with(BULK);
    let _server = place.server();
    let http = place.http();
    let notes = r#"echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts""#;
    // Eve never ends what she starts.
    let hangs = r#"echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/hangs"; exec sleep 7777"#;
    let flags = "--lane bulk --concurrency 4";
    let works = format!("{notes}; sleep 0.02; echo '{{}}'");
    let eve = place.agent("eve", flags, hangs);
    let _team = ["ann", "bob"].map(|name| place.agent(name, flags, &works));
    let ids = bulk(&http, 300);
    until("Eve's hands full", || {
        (place.lines("hangs").len() == 4).then_some(())
    });
    until("work on its way", || {
        (place.lines("starts").len() >= 50).then_some(())
    });
    eve.kill_9();
    place.until_gone("sleep 7777");

    let lost = place.lines("hangs");
    for id in &ids {
        let task = http.ends(id, "succeeded");
        assert_eq!(http.times(id, "succeeded"), 1);
        assert_eq!(task["attempt"], 1, "a loss is no attempt");
        // Nobody wrote anything of those that were not claimed.
        let claimed = lost.contains(id);
        assert_eq!(
            http.losses(id),
            usize::from(claimed),
            "{:?}",
            http.events(id)
        );
        assert_eq!(task["epoch"], if claimed { 2 } else { 1 });
    }
    let starts = starts(&place);
    assert_eq!(starts.len(), ids.len());
    assert!(starts.values().all(|count| *count == 1), "{starts:?}");
    let books = http.settled();
    assert_eq!(books["states"]["succeeded"], ids.len());
}

#[test]
fn of_the_copies_of_an_offer_that_two_agents_start_one_commits() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), || Place::with(BULK));
    let _server = place.server();
    let http = place.http();
    let flags = "--lane bulk --concurrency 1";
    let _team = ["ann", "bob"].map(|name| place.agent(name, flags, GATED));
    let first = bulk(&http, 2);
    until("both busy", || {
        (place.lines("starts").len() == 2).then_some(())
    });
    let ids = bulk(&http, 10);
    let doubled = double(&vhost.url(), ids.len());
    first
        .iter()
        .for_each(|id| place.write(&format!("go-{id}"), ""));
    // Both copies of the first one are started before either ends.
    until("two starts of one task", || {
        (starts(&place).get(&doubled) == Some(&2)).then_some(())
    });
    place.write("go-all", "");
    for id in &ids {
        http.ends(id, "succeeded");
        let told = [http.times(id, "succeeded"), http.losses(id)];
        assert_eq!(told, [1, 0], "one commit: {:?}", http.events(id));
    }
    let books = http.settled();
    assert_eq!(books["states"]["succeeded"], 12);
    // Whatever came of the other copies, both agents are free for more.
    for id in bulk(&http, 10) {
        http.ends(&id, "succeeded");
    }
}

/// Takes so many offers from the lane's queue, and puts each there twice; whose was the first.
fn double(url: &str, count: usize) -> String {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings = Settings {
        url: url.into(),
        role: Role::Server,
        ..Settings::default()
    };
    let broker = RabbitBroker::connect(settings).unwrap();
    runtime.block_on(async {
        while broker.health().await != Health::Up {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let lane = Address::Offers(Lane::new("bulk").unwrap());
        let from = lane.clone();
        let subscribe = Subscribe {
            from,
            credit: 100,
            will: None,
        };
        let mut offers = broker.subscribe(subscribe).await.unwrap();
        let mut taken: Vec<Delivery> = vec![];
        while taken.len() < count {
            taken.push(offers.next().await.unwrap());
        }
        let copy = |message: &Message| Outgoing {
            to: lane.clone(),
            message: message.clone(),
            expires: None,
        };
        let copies = taken.iter().flat_map(|offer| {
            let message = &offer.message;
            [copy(message), copy(message)]
        });
        let copies: Vec<Outgoing> = copies.collect();
        let first: Value = serde_json::from_slice(&taken[0].message.body).unwrap();
        // It has room for more: the copies would come to it again.
        taken.into_iter().for_each(Delivery::ack);
        offers.close();
        broker.publish(copies).await.unwrap();
        broker.close().await;
        first["task_id"].as_str().unwrap().to_owned()
    })
}

#[test]
fn what_takes_longer_than_the_handoff_is_claimed_as_started_and_kept_by_its_lease() {
    let place = Place::with(BULK);
    let _server = place.server();
    let http = place.http();
    let agent = |name: &str| {
        let args = [
            "agent", "run", "--name", name, "--lane", "bulk", "--", "sh", "-c", GATED,
        ];
        let mut command = place.command(&args);
        command.env("WARRENER_TIMERS__HANDOFF", "1s");
        let agent = crate::harness::Process::start(&place, name, command);
        http.until_presence(name, "up");
        agent
    };
    let ann = agent("ann");
    let [stays, dies] = <[String; 2]>::try_from(bulk(&http, 2)).unwrap();
    for id in [&stays, &dies] {
        let task = http.until_state(id, "running");
        let told = ["attempt", "epoch", "agent"].map(|field| task[field].clone());
        assert_eq!(told, [json!(1), json!(1), json!("ann")]);
        assert_eq!(http.times(id, "started"), 1);
    }
    place.write(&format!("go-{stays}"), "");
    let task = http.ends(&stays, "succeeded");
    assert_eq!((&task["attempt"], &task["epoch"]), (&json!(1), &json!(1)));
    // No delivery stands behind the other one: only its lease tells that its agent died.
    ann.kill_9();
    let _bob = agent("bob");
    place.write("go-all", "");
    let task = http.ends(&dies, "succeeded");
    assert_eq!(task["agent"], "bob");
    assert_eq!((http.losses(&dies), http.times(&dies, "succeeded")), (1, 1));
    let count = |id: &String| starts(&place)[id];
    assert_eq!((count(&stays), count(&dies)), (1, 2));
    http.settled();
}
