//! Shared state: asked over the broker and in process, over a restart, by clocks that go on, under locks.

use crate::desk::{heard, letter};
use crate::harness::{MODES, World, boot, up};
use std::time::Duration;
use warrener_backend::broker::Subscribe;
use warrener_backend::fault::{Fault, point};
use warrener_backend::state::StateQuery;
use warrener_backend::{Address, Broker, Inbox, Message, Outgoing, Subscription};
use warrener_engine::Error;
use warrener_engine::orchestrator::StateWrite;
use warrener_model::agent::{Card, Role, Who};
use warrener_model::event::Cursor;
use warrener_model::message::{Body, StateAsk, StateResult, Welcome};
use warrener_model::name::{Space, StateKey};
use warrener_model::state::lock::Want;
use warrener_model::state::{Cause, Refusal};
use warrener_model::{Json, Lane};

fn space() -> Space {
    Space::new("team").unwrap()
}

fn key(name: &str) -> StateKey {
    StateKey::new(name).unwrap()
}

fn json(text: &str) -> Json {
    Json::parse(text.into()).unwrap()
}

fn set(name: &str, value: &str) -> StateWrite {
    StateWrite {
        space: space(),
        key: key(name),
        value: Some(json(value)),
        ttl: None,
        expect: None,
        fence: None,
        request: None,
    }
}

fn changes(after: u64) -> StateQuery {
    StateQuery::Changes {
        space: Some(space()),
        prefix: String::new(),
        after: Cursor(after),
        limit: 100,
    }
}

/// A client that speaks of shared state, and nothing else.
struct Client {
    who: Who,
    broker: std::sync::Arc<dyn Broker>,
    control: Subscription,
}

impl Client {
    async fn new(world: &World, name: &str) -> Self {
        let who = boot(name);
        let broker = world.ground.agent(&who);
        up(&*broker).await;
        let control = Subscribe {
            from: Address::Control(who.clone()),
            credit: 100,
            will: None,
        };
        let control = broker.subscribe(control).await.unwrap();
        Client {
            who,
            broker,
            control,
        }
    }

    fn ask(&self, id: &str, op: &str, value: Option<&str>, expect: Option<u64>) -> StateAsk {
        StateAsk {
            who: self.who.clone().into(),
            op: op.into(),
            space: "team".into(),
            key: "goal".into(),
            value: value.map(json),
            ttl_ms: None,
            if_version: expect,
            request_id: id.into(),
        }
    }

    async fn joins(&mut self, role: Role) {
        let card = Card {
            who: self.who.clone().into(),
            name: String::new(),
            role,
            lanes: vec![Lane::default()],
            kinds: vec!["*".into()],
            capabilities: Default::default(),
            slots: 1,
            version: String::new(),
            host: String::new(),
        };
        self.send(Inbox::Presence, &card).await;
        heard::<Welcome>(&mut self.control).await;
    }

    async fn send<B: Body>(&self, inbox: Inbox, body: &B) {
        let message = Message {
            sender: Some(self.who.agent.clone()),
            ..letter(body)
        };
        let out = Outgoing {
            to: Address::Inbox(inbox),
            message,
            expires: None,
        };
        self.broker.publish(vec![out]).await.unwrap();
    }

    async fn asks(&mut self, ask: &StateAsk) -> StateResult {
        self.send(Inbox::Results, ask).await;
        let answer: StateResult = heard(&mut self.control).await;
        assert_eq!(answer.request_id, ask.request_id);
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reads_and_writes_over_the_broker_and_a_resend_writes_nothing() {
    for mode in MODES {
        let world = World::new(mode).await;
        let mut ann = Client::new(&world, "ann").await;
        ann.joins(Role::Worker).await;
        let get = ann.ask("1", "get", None, None);
        let nothing = ann.asks(&get).await;
        assert_eq!(
            (nothing.ok, nothing.code.as_deref()),
            (false, Some("not_found"))
        );
        let write = ann.ask("2", "set", Some("null"), Some(0));
        for _ in 0..2 {
            let made = ann.asks(&write).await;
            assert_eq!((made.ok, made.version), (true, Some(1)), "{made:?}");
        }
        let found = ann.asks(&get).await;
        assert_eq!((found.version, found.value), (Some(1), Some(Json::null())));
        let late = ann.ask("3", "set", Some("2"), Some(0));
        let late = ann.asks(&late).await;
        assert_eq!(
            (late.code.as_deref(), late.version),
            (Some("conflict"), Some(1))
        );
        let version = world
            .orchestrator
            .state(&space(), &key("goal"))
            .await
            .unwrap();
        assert_eq!(version.actor, "agent:ann");
        // The answer of the store is lost: the request is made again, and is done once.
        world.faults.script(point::COMMIT, [Fault::FailAfter]);
        let delete = ann.ask("4", "delete", None, Some(1));
        let gone = ann.asks(&delete).await;
        assert_eq!((gone.ok, gone.version), (true, Some(2)), "{gone:?}");
        for (op, value) in [("take", None), ("set", None), ("delete", Some("1"))] {
            let wrong = ann.ask("5", op, value, None);
            let wrong = ann.asks(&wrong).await;
            assert_eq!(wrong.code.as_deref(), Some("invalid"), "{op}");
        }
        let page = world.orchestrator.state_page(changes(0)).await.unwrap();
        let seen: Vec<_> = page.items.iter().map(|v| (v.version, v.cause)).collect();
        assert_eq!(seen, [(1, Cause::Set), (2, Cause::Deleted)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_only_watches_may_read_and_not_write() {
    for mode in MODES {
        let world = World::new(mode).await;
        let mut eve = Client::new(&world, "eve").await;
        eve.joins(Role::Monitor).await;
        world
            .orchestrator
            .write_state(set("goal", "1"), "user:x")
            .await
            .unwrap();
        let get = eve.ask("1", "get", None, None);
        assert!(eve.asks(&get).await.ok);
        let write = eve.ask("2", "set", Some("2"), None);
        assert_eq!(eve.asks(&write).await.code.as_deref(), Some("not_allowed"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_wakes_goes_on_after_a_restart_and_sees_what_expired() {
    let world = World::new(MODES[0]).await;
    let watch = {
        let orchestrator = world.orchestrator.clone();
        tokio::spawn(async move {
            let within = Duration::from_secs(30);
            orchestrator.watch_state(changes(0), within).await
        })
    };
    let first = StateWrite {
        ttl: Some(Duration::from_secs(100)),
        ..set("a", "1")
    };
    world
        .orchestrator
        .write_state(first, "user:x")
        .await
        .unwrap();
    let seen = watch.await.unwrap().unwrap();
    assert_eq!((seen.items.len(), seen.at), (1, Cursor(1)));
    let world = world.restart().await;
    world
        .orchestrator
        .write_state(set("b", "2"), "user:x")
        .await
        .unwrap();
    world
        .skew
        .store(101_000, std::sync::atomic::Ordering::SeqCst);
    let within = Duration::from_secs(30);
    let next = world
        .orchestrator
        .watch_state(changes(1), within)
        .await
        .unwrap();
    let mut seen: Vec<_> = next
        .items
        .iter()
        .map(|v| (v.key.to_string(), v.cause))
        .collect();
    if seen.len() == 1 {
        let rest = world
            .orchestrator
            .watch_state(changes(next.at.0), within)
            .await
            .unwrap();
        seen.extend(rest.items.iter().map(|v| (v.key.to_string(), v.cause)));
    }
    assert_eq!(
        seen,
        [("b".into(), Cause::Set), ("a".into(), Cause::Expired)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_ends_frees_the_lock_and_fences_its_holder() {
    let world = World::new(MODES[0]).await;
    let take = |holder: &str| Want::Acquire {
        holder: holder.into(),
        lease: Duration::from_secs(60),
    };
    let (door, team) = (key("door"), space());
    let lock = |want| world.orchestrator.lock_state(&team, &door, want);
    assert_eq!(lock(take("ann")).await.unwrap().token, 1);
    let held = lock(take("bob")).await.unwrap_err();
    assert_eq!(held.code(), "locked");
    world
        .skew
        .store(61_000, std::sync::atomic::Ordering::SeqCst);
    let free = world
        .orchestrator
        .state_lock(&space(), &door)
        .await
        .unwrap();
    assert_eq!(free.held, None);
    assert_eq!(lock(take("bob")).await.unwrap().token, 2);
    let fenced = StateWrite {
        fence: Some((door.clone(), 1)),
        ..set("a", "1")
    };
    let fenced = world.orchestrator.write_state(fenced, "user:x").await;
    assert!(
        matches!(
            fenced,
            Err(Error::State {
                why: Refusal::Fenced(2),
                ..
            })
        ),
        "{fenced:?}"
    );
}
