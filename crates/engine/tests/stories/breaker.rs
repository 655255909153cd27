//! Circuit breakers: a kind whose runs fail one after the other rests, others go on, and a few runs try whether it works
//! again. Nothing of it is lost or charged.

use crate::harness::{ANY, MODES, Member, Mode, World, boot, echo};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::Receiver;
use tokio_util::sync::CancellationToken;
use warrener_engine::orchestrator::{BreakerView, Phase};
use warrener_engine::{Alert, Options, TaskError, Worker};
use warrener_model::breaker::Rule;
use warrener_model::{Class, Kind, State, TaskId};

pub(crate) const LONG: Duration = Duration::from_secs(3_600);
pub(crate) const SHORT: Duration = Duration::from_millis(200);
/// A task that is tried again at once, as often as it takes.
const WORK: &str = r#"{"kind":"work","max_attempts":1000,
    "retry":{"network":{"retries":1000,"base_ms":1,"max_ms":1}}}"#;

/// Three failures open it, for so long.
pub(crate) fn opens(open: Duration) -> impl FnOnce(&mut Options) {
    move |options| {
        let rule = Rule {
            failures: 3,
            window: LONG,
            open,
            probes: 1,
        };
        options.breakers.others = Some(rule);
        options.timers.lease = LONG;
        options.timers.offer_overdue = LONG;
    }
}

/// What the runs of kind `work` depend on.
#[derive(Clone, Default)]
struct Outside {
    works: Arc<AtomicBool>,
    starts: Arc<AtomicU32>,
}

impl Outside {
    fn starts(&self) -> u32 {
        self.starts.load(Ordering::SeqCst)
    }

    async fn until_starts(&self, count: u32) {
        while self.starts() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn set(&self, works: bool) {
        self.works.store(works, Ordering::SeqCst);
    }

    /// An agent that runs `work`, which needs it, and `other`, which does not.
    fn agent(&self, world: &World, slots: u32) -> Member {
        let (outside, timers) = (self.clone(), world.options.timers);
        let who = boot("a");
        let worker = Worker::builder(world.ground.agent(&who), "a")
            .concurrency(slots)
            .options(|options| {
                options.instance = Some(who.instance);
                options.timers = timers;
            })
            .handle("work", move |_, input: serde_json::Value| {
                outside.starts.fetch_add(1, Ordering::SeqCst);
                let works = outside.works.load(Ordering::SeqCst);
                async move {
                    match works {
                        true => Ok(input),
                        false => Err(TaskError::network("no route")),
                    }
                }
            })
            .and_then(|builder| builder.handle("other", echo))
            .unwrap()
            .build();
        let stop = CancellationToken::new();
        let task = tokio::spawn(worker.run(stop.clone()));
        Member { stop, task }
    }
}

pub(crate) fn work() -> Kind {
    Kind::new("work").unwrap()
}

pub(crate) fn breaker(world: &World) -> BreakerView {
    let all = world.orchestrator.breakers();
    let of_work = all.into_iter().find(|view| view.kind == work());
    of_work.expect("something of the kind started")
}

pub(crate) fn times(view: &BreakerView, phase: Phase) -> u64 {
    let of = view.changes.iter().find(|(known, _)| *known == phase);
    of.map_or(0, |(_, count)| *count)
}

pub(crate) async fn until_waits(world: &World, id: TaskId, what: &str) {
    for _ in 0..3_000 {
        let view = world.orchestrator.task(id).await.unwrap();
        if serde_json::to_value(view.waiting_for).unwrap() == what {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("task {id} does not wait for {what}: {:?}", breaker(world));
}

async fn told(alerts: &mut Receiver<Alert>) {
    let alert = tokio::time::timeout(Duration::from_secs(30), alerts.recv()).await;
    let alert = alert.expect("an alert comes").unwrap();
    let about = (alert.alert.as_str(), alert.subject.as_str());
    assert_eq!(about, ("circuit_open", "work"));
    assert_eq!(alert.severity, "critical");
    assert!(alert.message.ends_with("no route"), "{}", alert.message);
}

/// A world whose breaker of `work` has just opened, and a task that failed until then.
async fn broken(mode: Mode, open: Duration) -> (World, Outside, Member, TaskId) {
    let world = World::with(mode, opens(open)).await;
    let mut alerts = world.orchestrator.alerts();
    let outside = Outside::default();
    let member = outside.agent(&world, 4);
    let first = world.submit(WORK).await;
    told(&mut alerts).await;
    (world, outside, member, first)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_keeps_failing_rests_and_others_go_on_past_it() {
    for mode in MODES {
        let (world, outside, _agent, first) = broken(mode, LONG).await;
        until_waits(&world, first, "circuit_open").await;
        // More than there are slots, all of them before the other one.
        let mut waiting = vec![];
        for _ in 0..8 {
            let text = r#"{"kind":"work","priority":"critical"}"#;
            waiting.push(world.submit(text).await);
        }
        let other = world.submit(r#"{"kind":"other"}"#).await;
        assert_eq!(world.end(other).await.task.life.state, State::Succeeded);
        for id in waiting {
            until_waits(&world, id, "circuit_open").await;
            let life = world.orchestrator.task(id).await.unwrap().task.life;
            assert_eq!((life.state, life.attempt), (State::Ready, 0), "{mode:?}");
        }
        assert_eq!(outside.starts(), 3, "{mode:?}: not once more");
        let view = breaker(&world);
        assert_eq!(
            (view.phase, view.error.as_deref()),
            (Phase::Open, Some("no route"))
        );
        assert!(view.since.is_some() && view.wait.is_some_and(|wait| wait <= LONG));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn few_try_while_it_fails_and_all_go_on_once_it_works() {
    for mode in MODES {
        let begun = Instant::now();
        let (world, outside, _agent, first) = broken(mode, SHORT).await;
        let mut tasks = vec![first];
        for _ in 0..8 {
            tasks.push(world.submit(WORK).await);
        }
        outside.until_starts(3 + 3).await;
        // After it opened, each span of it that is over may have had one probe.
        let tried = outside.starts() - 3;
        let spans = begun.elapsed().as_millis() / SHORT.as_millis();
        assert!(u128::from(tried) <= spans, "{mode:?}: {tried} in {spans}");
        outside.set(true);
        for id in tasks {
            assert_eq!(
                world.end(id).await.task.life.state,
                State::Succeeded,
                "{mode:?}"
            );
        }
        let view = breaker(&world);
        assert_eq!((view.phase, view.failures), (Phase::Closed, 0));
        assert!(
            times(&view, Phase::Open) >= 3,
            "{view:?}: a failed probe opens it again"
        );
        assert_eq!(times(&view, Phase::Closed), 1, "{view:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trouble_is_told_once_and_the_next_one_again() {
    for mode in MODES {
        let world = World::with(mode, opens(SHORT)).await;
        let mut alerts = world.orchestrator.alerts();
        let outside = Outside::default();
        let _agent = outside.agent(&world, 1);
        for _ in 0..2 {
            outside.set(false);
            let id = world.submit(WORK).await;
            told(&mut alerts).await;
            let before = outside.starts();
            outside.until_starts(before + 2).await;
            assert!(
                alerts.try_recv().is_err(),
                "{mode:?}: open again is no news"
            );
            outside.set(true);
            world.end(id).await;
            // The end is committed before the breaker hears of it.
            while breaker(&world).phase != Phase::Closed {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_the_tasks_themselves_open_nothing() {
    for mode in MODES {
        let world = World::with(mode, opens(LONG)).await;
        let mut alerts = world.orchestrator.alerts();
        let _agent = world.agent("a", 1, |_, input| async move {
            let word = input.as_str().unwrap().to_owned();
            match word.parse::<Class>() {
                Ok(class) => Err(TaskError::new(class, "its own fault")),
                Err(_) => Ok(word.into()),
            }
        });
        let mut last = None;
        for class in [
            Class::Business,
            Class::Invalid,
            Class::Critical,
            Class::Crash,
        ] {
            for _ in 0..4 {
                let text = format!(
                    r#"{{"kind":"work","input":"{class}","retry":{{"crash":{{"retries":0}}}}}}"#
                );
                last = Some(world.submit(&text).await);
            }
        }
        world.end(last.unwrap()).await;
        let fine = world.submit(r#"{"kind":"work","input":"fine"}"#).await;
        assert_eq!(
            world.end(fine).await.task.life.state,
            State::Succeeded,
            "{mode:?}"
        );
        let view = breaker(&world);
        assert_eq!((view.phase, view.failures), (Phase::Closed, 0));
        while let Ok(alert) = alerts.try_recv() {
            assert_eq!(alert.alert, "dead_letters");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_begins_with_its_breakers_closed_and_a_person_may_close_one() {
    for mode in MODES {
        let (world, outside, _agent, first) = broken(mode, LONG).await;
        until_waits(&world, first, "circuit_open").await;
        let second = world.submit(WORK).await;
        outside.set(true);
        let closed = world
            .orchestrator
            .reset_breaker(&work(), None)
            .await
            .unwrap();
        assert_eq!(closed.phase, Phase::Closed);
        for id in [first, second] {
            assert_eq!(
                world.end(id).await.task.life.state,
                State::Succeeded,
                "{mode:?}"
            );
        }
        // Again, and this time the server ends.
        outside.set(false);
        let third = world.submit(WORK).await;
        until_waits(&world, third, "circuit_open").await;
        outside.set(true);
        let world = world.restart().await;
        assert_eq!(
            world.end(third).await.task.life.state,
            State::Succeeded,
            "{mode:?}"
        );
        assert_eq!(breaker(&world).phase, Phase::Closed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_breaker_cannot_be_closed() {
    let world = World::new(ANY).await;
    let refused = world
        .orchestrator
        .reset_breaker(&work(), None)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "not_found");
    assert!(world.orchestrator.breakers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_breaker_can_be_cancelled_and_expires() {
    for mode in MODES {
        let (world, outside, _agent, first) = broken(mode, LONG).await;
        until_waits(&world, first, "circuit_open").await;
        let late = world.submit(r#"{"kind":"work","deadline_ms":300}"#).await;
        let cancelled = world.orchestrator.cancel(first, "", "user:test").await;
        assert!(!cancelled.unwrap().stopping, "{mode:?}");
        assert_eq!(world.end(first).await.task.life.state, State::Cancelled);
        let life = world.end(late).await.task.life;
        assert_eq!((life.state, life.attempt), (State::Expired, 0), "{mode:?}");
        assert_eq!(outside.starts(), 3);
        assert_eq!(world.orchestrator.books().await.unwrap().lost, 0);
    }
}
