//! Moving: the whole life, under a compare-and-set on the version.

use super::Harness;
use super::sample::{
    accept, after, assign, at, commit, done, error, event, failed, happen, id, outcome, read,
    submit, task, to,
};
use tokio::task::JoinSet;
use warrener_backend::store::{Ending, Move, Op};
use warrener_backend::{Committed, Store};
use warrener_model::Class;
use warrener_model::event::{Cursor, EventKind};
use warrener_model::filter::Filter;
use warrener_model::json::Json;
use warrener_model::life::{self, Event, Needs, State};
use warrener_model::task::{Progress, Task, Usage};

/// What happens to a task as it is.
type Cause = fn(&Task) -> Event;

/// A life with everything in it comes back field by field, at every step.
pub async fn a_move_writes_the_whole_life_and_the_next_version<H: Harness>(h: H) {
    let store = h.open().await;
    let mut expected = task();
    expected.life.deadline = Some(at(1_000_000));
    submit(&*store, std::slice::from_ref(&expected)).await;
    let steps: Vec<(Cause, i64)> = vec![
        (|_| Event::Offer, 1),
        (
            |task| Event::Unoffer {
                offer: task.life.offer,
                again: false,
            },
            2,
        ),
        (|_| assign("one"), 3),
        (|task| outcome(task, failed(Class::Network)), 4),
        (|_| Event::Due, 700_000),
        (|_| assign("two"), 700_001),
        (
            |task| Event::Lost {
                seen: task.life.lease_seq,
            },
            700_002,
        ),
        (|_| Event::Park(life::Parked::Approval), 700_003),
        (|_| Event::Unpark(life::Parked::Approval), 700_004),
        (
            |_| Event::Reassign {
                to: super::sample::who("three").agent,
            },
            700_005,
        ),
        (|_| assign("three"), 700_006),
        (|task| outcome(task, failed(Class::Critical)), 700_007),
        (
            |_| Event::Retry {
                anew: true,
                needs: Needs::Met,
            },
            700_008,
        ),
        (|_| Event::Cancel, 700_009),
    ];
    for (event, ms) in steps {
        let step = after(&expected.life, &event(&expected), ms);
        let kind = step.record.unwrap_or(EventKind::Ready);
        done(&*store, to(&expected, step.life.clone(), kind, None)).await;
        expected.life = step.life;
        expected.version += 1;
        assert_eq!(read(&*store, expected.id).await, expected, "at {ms}");
    }
    assert_eq!(expected.life.state, State::Cancelled);
}

/// Read again, decide again.
pub async fn a_move_of_an_older_version_is_a_conflict<H: Harness>(h: H) {
    let store = h.open().await;
    let first = task();
    submit(&*store, std::slice::from_ref(&first)).await;
    let moved = happen(&*store, first.id, &assign("one"), 1, None).await;
    let late = after(&first.life, &Event::Cancel, 2).life;
    let answer = commit(&*store, to(&first, late, EventKind::Cancelled, None)).await;
    assert_eq!(answer, Committed::Conflict);
    assert_eq!(read(&*store, first.id).await, moved);
    let events = store.events(Cursor(0), Some(first.id), 10).await;
    assert_eq!(events.expect("events").len(), 2);
}

/// Of the same version, one.
pub async fn of_many_movers_one_wins<H: Harness>(h: H) {
    let store = h.open().await;
    let first = task();
    submit(&*store, std::slice::from_ref(&first)).await;
    let mut movers = JoinSet::new();
    for n in 0..20 {
        let (store, first) = (store.clone(), first.clone());
        movers.spawn(async move {
            let life = after(&first.life, &assign(&format!("agent-{n}")), 1).life;
            let holder = life.lease.clone();
            let answer = commit(&*store, to(&first, life, EventKind::Started, None)).await;
            (answer, holder)
        });
    }
    let answers = movers.join_all().await;
    let won = |answer: &Committed| matches!(answer, Committed::Done { .. });
    let winners: Vec<_> = answers.iter().filter(|(answer, _)| won(answer)).collect();
    assert_eq!(winners.len(), 1);
    let lost = |answer: &Committed| *answer == Committed::Conflict;
    assert_eq!(
        answers.iter().filter(|(answer, _)| lost(answer)).count(),
        19
    );
    let task = read(&*store, first.id).await;
    assert_eq!((task.version, &task.life.lease), (2, &winners[0].1));
}

async fn running(store: &dyn Store) -> Task {
    let task = task();
    submit(store, std::slice::from_ref(&task)).await;
    happen(store, task.id, &assign("one"), 1, None).await
}

fn half() -> Progress {
    Progress {
        fraction: Some(0.5),
        message: Some("half".into()),
    }
}

async fn progress(store: &dyn Store, task: &Task, epoch: u64) {
    let op = Op::Progress {
        task: task.id,
        epoch,
        progress: half(),
    };
    done(store, op).await;
}

/// Output and usage are those of the attempt that ended.
pub async fn an_ending_leaves_what_it_has_and_clears_the_progress<H: Harness>(h: H) {
    let store = h.open().await;
    let run = running(&*store).await;
    progress(&*store, &run, run.life.epoch).await;
    assert_eq!(read(&*store, run.id).await.progress, Some(half()));
    let ending = Ending {
        output: Some(Json::parse("{\"a\":  [1]}".into()).expect("json")),
        error: None,
        usage: Some(Usage {
            input_tokens: 7,
            output_tokens: 8,
            cost_usd: Some("0.10".into()),
        }),
    };
    let over = outcome(&run, life::Ending::Succeeded);
    let ended = happen(&*store, run.id, &over, 2, Some(ending.clone())).await;
    assert_eq!(ended.life.state, State::Succeeded);
    assert_eq!(ended.progress, None);
    assert_eq!(
        (ended.output, ended.error, ended.usage),
        (ending.output, None, ending.usage)
    );
}

/// Whole: what the last ending has not, is not there; a move without an ending keeps it.
pub async fn an_ending_replaces_the_one_before<H: Harness>(h: H) {
    let store = h.open().await;
    let run = running(&*store).await;
    let fail = |message: &str| Ending {
        error: Some(error(Class::Network, message, "f")),
        ..Ending::default()
    };
    let over = outcome(&run, failed(Class::Network));
    let first = happen(&*store, run.id, &over, 2, Some(fail("one"))).await;
    assert_eq!(first.error, fail("one").error);
    happen(&*store, run.id, &Event::Due, 1_000_000, None).await;
    let run = happen(&*store, run.id, &assign("two"), 1_000_001, None).await;
    let over = outcome(&run, life::Ending::Released);
    let given = happen(&*store, run.id, &over, 1_000_002, None).await;
    assert_eq!(given.error, fail("one").error);
    let run = happen(&*store, run.id, &assign("two"), 1_000_003, None).await;
    let over = outcome(&run, failed(Class::Network));
    let second = happen(&*store, run.id, &over, 1_000_004, Some(fail("two"))).await;
    assert_eq!(second.error, fail("two").error);
    happen(&*store, run.id, &Event::Due, 2_000_000, None).await;
    let run = happen(&*store, run.id, &assign("two"), 2_000_001, None).await;
    let over = outcome(&run, life::Ending::Succeeded);
    let ending = Some(Ending::default());
    let third = happen(&*store, run.id, &over, 2_000_002, ending).await;
    assert_eq!((third.error, third.output), (None, None));
    let filter = Filter::parse("class:network").expect("a filter");
    assert_eq!(
        store.count_where(filter, at(0), 9).await.expect("a count"),
        0
    );
}

/// Reports of an older grant, or of one that ended, change nothing.
pub async fn progress_counts_under_its_epoch_while_it_runs<H: Harness>(h: H) {
    let store = h.open().await;
    let run = running(&*store).await;
    let lost = Event::Lost {
        seen: run.life.lease_seq,
    };
    happen(&*store, run.id, &lost, 2, None).await;
    let run = happen(&*store, run.id, &assign("two"), 3, None).await;
    for epoch in [run.life.epoch - 1, run.life.epoch + 1] {
        progress(&*store, &run, epoch).await;
        assert_eq!(read(&*store, run.id).await.progress, None, "under {epoch}");
    }
    let over = outcome(&run, life::Ending::Succeeded);
    let ending = Some(Ending::default());
    happen(&*store, run.id, &over, 2, ending).await;
    progress(&*store, &run, run.life.epoch).await;
    assert_eq!(read(&*store, run.id).await.progress, None);
    let nobody = Op::Progress {
        task: id(),
        epoch: 1,
        progress: half(),
    };
    done(&*store, nobody).await;
}

/// A report must not make a transition conflict.
pub async fn progress_makes_no_version_and_no_history<H: Harness>(h: H) {
    let store = h.open().await;
    let run = running(&*store).await;
    progress(&*store, &run, run.life.epoch).await;
    let life = after(&run.life, &Event::Cancel, 2).life;
    done(&*store, to(&run, life, EventKind::Cancelled, None)).await;
    let events = store.events(Cursor(0), Some(run.id), 10).await;
    assert_eq!(events.expect("events").len(), 3);
}

/// What a client read stays current while the task just runs, and yet a decision on an older lease does not win.
pub async fn renewals_make_no_version_and_are_guarded_all_the_same<H: Harness>(h: H) {
    let store = h.open().await;
    let run = running(&*store).await;
    let mut expected = run.clone();
    for n in 0..3 {
        let mut life = expected.life.clone();
        life.lease_seq += 1;
        let mut renewal = to(&expected, life.clone(), EventKind::Started, None);
        if let Op::Move(renewal) = &mut renewal {
            renewal.event = None;
        }
        done(&*store, renewal.clone()).await;
        expected.life = life;
        assert_eq!(read(&*store, run.id).await, expected, "renewal {n}");
        assert_eq!(commit(&*store, renewal).await, Committed::Conflict);
    }
    let lost = Event::Lost {
        seen: run.life.lease_seq,
    };
    let life = after(&run.life, &lost, 2).life;
    let answer = commit(&*store, to(&run, life, EventKind::Lost, None)).await;
    assert_eq!(answer, Committed::Conflict, "it was renewed meanwhile");
    let ended = happen(&*store, run.id, &Event::Cancel, 3, None).await;
    let events = store.events(Cursor(0), Some(run.id), 10).await;
    assert_eq!(ended.version, events.expect("events").len() as u64);
}

/// An operator's retry; the rest of what was asked for stays.
pub async fn a_retry_may_bring_another_input<H: Harness>(h: H) {
    let store = h.open().await;
    let mut dead = task();
    dead.life = super::sample::ended(State::Dead, 5);
    done(&*store, accept(&dead, None)).await;
    let input = Json::parse("{\"n\": 2}".into()).expect("json");
    let life = after(
        &dead.life,
        &Event::Retry {
            anew: true,
            needs: Needs::Met,
        },
        6,
    )
    .life;
    let op = Move {
        task: dead.id,
        version: 1,
        lease_seq: 0,
        life: life.clone(),
        event: Some(event(&life, EventKind::Retried)),
        ending: None,
        input: Some(input.clone()),
    };
    done(&*store, Op::Move(Box::new(op))).await;
    let mut expected = dead;
    expected.life = life;
    expected.version = 2;
    expected.spec.input = input;
    assert_eq!(read(&*store, expected.id).await, expected);
}

/// Whatever version it is thought to have.
pub async fn a_task_that_is_not_there_cannot_move<H: Harness>(h: H) {
    let store = h.open().await;
    let nobody = task();
    let life = nobody.life.clone();
    let answer = commit(&*store, to(&nobody, life, EventKind::Ready, None)).await;
    assert_eq!(answer, Committed::Conflict);
}
