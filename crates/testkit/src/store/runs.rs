//! Runs of workflows: written whole, guarded by their version, counted by those who end.

use super::Harness;
use super::sample::{accept, at, done, id, kind, task};
use warrener_backend::run::{Child, RunOp, Tally};
use warrener_backend::store::{Op, Purge};
use warrener_backend::{Change, Committed, Store};
use warrener_model::State;
use warrener_model::id::RunId;
use warrener_model::json::Json;
use warrener_model::run::{Run, RunHead, RunSpec, RunState, StepRow, StepState};

fn run_at(ms: i64) -> Run {
    let id = RunId::new(at(ms), std::array::from_fn(|_| fastrand::u8(..)));
    Run {
        spec: RunSpec {
            id,
            name: kind("feature"),
            file: "name: feature\nsteps: []\n".into(),
            inputs: Json::parse("{\"title\":\"t\"}".into()).expect("json"),
            digest: [7; 32],
            parent: None,
            created_at: at(ms),
        },
        head: RunHead::new(id),
    }
}

fn step(n: u32, total: u32) -> StepRow {
    StepRow {
        n,
        id: format!("s{n}"),
        state: StepState::Running,
        left: 1,
        total,
        done: 0,
        failed: 0,
        error: Some("not yet".into()),
        value: Some(Json::null()),
    }
}

fn insert(run: &Run, steps: &[StepRow]) -> Change {
    Op::Run(RunOp::Insert(Box::new(run.clone()), steps.to_vec())).into()
}

async fn commit(store: &dyn Store, op: RunOp) -> Committed {
    let committed = store.commit(vec![Op::Run(op).into()]).await;
    committed.expect("a commit").remove(0)
}

/// With its steps in order, after a reopening; a second of that id is a conflict and changes nothing.
pub async fn a_run_comes_back_as_it_was_written<H: Harness>(h: H) {
    let store = h.open().await;
    let (run, steps) = (run_at(0), [step(0, 1), step(1, 3)]);
    done(&*store, insert(&run, &steps)).await;
    let other = Run {
        head: RunHead {
            active: 9,
            ..run.head.clone()
        },
        ..run.clone()
    };
    let again = store.commit(vec![insert(&other, &[])]).await;
    assert_eq!(again.expect("a commit"), [Committed::Conflict]);
    let store = h.reopen().await;
    let whole = store.run_whole(run.spec.id).await.expect("a run");
    assert_eq!(whole.as_deref(), Some(&(run.clone(), steps.to_vec())));
    let part = store.run_part(run.spec.id, vec![1]).await.expect("a run");
    assert_eq!(part.as_deref(), Some(&(run.head, vec![step(1, 3)])));
    let none = store.run_whole(run_at(1).spec.id).await.expect("none");
    assert_eq!(none, None);
}

/// Whoever read an older one is told, and nothing of the change happens.
pub async fn a_run_is_saved_over_the_version_before_only<H: Harness>(h: H) {
    let store = h.open().await;
    let run = run_at(0);
    let id = run.spec.id;
    done(&*store, insert(&run, &[step(0, 1)])).await;
    let next = RunHead {
        version: 2,
        state: RunState::Failed,
        active: 3,
        failures: 2,
        cancel: Some("enough".into()),
        error: Some("it broke".into()),
        output: Json::parse("[1]".into()).ok(),
        finished_at: Some(at(5)),
        ..run.head
    };
    let save = RunOp::Save(Box::new(next.clone()));
    done(&*store, Op::Run(save.clone())).await;
    let ops = vec![
        Op::Run(RunOp::Step(
            id,
            Box::new(StepRow {
                left: 0,
                ..step(0, 1)
            }),
        )),
        Op::Run(save),
    ];
    let late = store.commit(vec![Change { ops }]).await.expect("a commit");
    assert_eq!(late, [Committed::Conflict]);
    let whole = store
        .run_whole(id)
        .await
        .expect("a run")
        .expect("it is there");
    assert_eq!((&whole.0.head, &whole.1), (&next, &vec![step(0, 1)]));
}

/// However many count at once; the one that is last has to know it, and the others have to know that they are not.
pub async fn ends_are_counted_and_the_last_one_is_known<H: Harness>(h: H) {
    const MANY: u32 = 50;
    let store = h.open().await;
    let run = run_at(0);
    let id = run.spec.id;
    done(&*store, insert(&run, &[step(0, MANY)])).await;
    let tally = |failed, last| Tally {
        run: id,
        step: 0,
        done: 1,
        failed,
        over: false,
        last,
    };
    let count = |n: u32| {
        let (store, tally) = (store.clone(), tally(i32::from(n.is_multiple_of(2)), None));
        tokio::spawn(async move { commit(&*store, RunOp::Count(tally)).await })
    };
    let ends: Vec<_> = (1..MANY).map(count).collect();
    for end in ends {
        let end = end.await.expect("a count");
        assert!(matches!(end, Committed::Done { .. }), "{end:?}");
    }
    assert_eq!(
        commit(&*store, RunOp::Count(tally(0, None))).await,
        Committed::Conflict
    );
    // Who decided on other ends than there were has to decide again.
    let wrong = RunOp::Count(tally(0, Some(MANY / 2)));
    assert_eq!(commit(&*store, wrong).await, Committed::Conflict);
    let last = RunOp::Count(tally(0, Some(MANY / 2 - 1)));
    assert!(matches!(
        commit(&*store, last.clone()).await,
        Committed::Done { .. }
    ));
    assert_eq!(commit(&*store, last).await, Committed::Conflict);
    let part = store
        .run_part(id, vec![0])
        .await
        .expect("a run")
        .expect("there");
    assert_eq!((part.1[0].done, part.1[0].failed), (MANY, MANY / 2 - 1));
    // One is tried again: whoever saw the step open has to look again, for it is over.
    let again = |over| {
        let tally = Tally {
            done: -1,
            over,
            ..tally(-1, None)
        };
        RunOp::Count(tally)
    };
    assert_eq!(commit(&*store, again(false)).await, Committed::Conflict);
    let open = commit(&*store, again(true)).await;
    assert!(matches!(open, Committed::Done { .. }), "{open:?}");
    assert_eq!(commit(&*store, again(true)).await, Committed::Conflict);
    let last = RunOp::Count(tally(1, Some(MANY / 2 - 1)));
    assert!(matches!(
        commit(&*store, last).await,
        Committed::Done { .. }
    ));
    // Writing the step leaves its counts alone: they are of those who end.
    let stale = StepRow {
        state: StepState::Failed,
        ..step(0, MANY)
    };
    done(&*store, Op::Run(RunOp::Step(id, Box::new(stale)))).await;
    let part = store
        .run_part(id, vec![0])
        .await
        .expect("a run")
        .expect("there");
    assert_eq!((part.1[0].done, part.1[0].state), (MANY, StepState::Failed));
}

/// In the order of the items, with what they left; and those that are open.
pub async fn the_tasks_of_a_step_come_in_their_order<H: Harness>(h: H) {
    let store = h.open().await;
    let run = run_at(0);
    let mut tasks: Vec<_> = (0..5).map(|_| task()).collect();
    for task in &mut tasks {
        task.spec.run = Some(run.spec.id.to_string());
        task.spec.step = Some("s0".into());
    }
    tasks[3].output = Json::parse("{\"n\":3}".into()).ok();
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    let mut change = insert(&run, &[step(0, 5)]);
    change
        .ops
        .extend(tasks.iter().map(|task| accept(task, None)));
    change.ops.push(Op::Run(RunOp::Children {
        run: run.spec.id,
        step: 0,
        tasks: ids.clone(),
    }));
    done(&*store, change).await;
    let children = store
        .run_children(run.spec.id, 0, true)
        .await
        .expect("children");
    let found: Vec<_> = children.iter().map(|child| child.task).collect();
    assert_eq!(found, ids);
    let third = Child {
        task: ids[3],
        state: tasks[3].life.state,
        output: tasks[3].output.clone(),
        error: None,
    };
    assert_eq!(children[3], third);
    assert_eq!(
        store.run_open(run.spec.id, 3).await.expect("tasks").len(),
        3
    );
    assert_eq!(store.run_parked(run.spec.id).await.expect("counts").open, 5);
    let other = store
        .run_children(run_at(1).spec.id, 0, true)
        .await
        .expect("none");
    assert_eq!(other, []);
}

/// Newest first, of the states that are asked for, page after page.
pub async fn runs_are_listed_by_state<H: Harness>(h: H) {
    let store = h.open().await;
    let mut runs: Vec<Run> = (0..7).map(run_at).collect();
    for run in runs.iter_mut().filter(|run| run.spec.created_at >= at(4)) {
        run.head.state = RunState::Succeeded;
    }
    runs[0].head.cancel = Some("enough".into());
    for run in &runs {
        done(&*store, insert(run, &[])).await;
    }
    let ids = |runs: &[Run]| -> Vec<RunId> { runs.iter().map(|run| run.spec.id).collect() };
    let mut found = vec![];
    let mut before = None;
    loop {
        let page = store.runs(vec![], before, 3).await.expect("a page");
        let Some(last) = page.last() else { break };
        before = Some((last.spec.created_at, last.spec.id));
        found.extend(ids(&page));
    }
    runs.reverse();
    assert_eq!(found, ids(&runs));
    let over = store
        .runs(vec![RunState::Succeeded], None, 10)
        .await
        .expect("a page");
    assert_eq!(ids(&over), ids(&runs[..3]));
    let stopping = store.runs_cancelling().await.expect("runs");
    let stopping: Vec<_> = stopping.iter().map(|head| head.id).collect();
    assert_eq!(stopping, [runs[6].spec.id]);
}

/// The tasks of a run that goes on stay however old they are; the run goes when it is old itself, after its tasks.
pub async fn what_belongs_to_a_run_that_goes_on_is_not_purged<H: Harness>(h: H) {
    let store = h.open().await;
    let run = run_at(0);
    let mut child = task();
    child.spec.run = Some(run.spec.id.to_string());
    child.life.state = State::Succeeded;
    child.life.finished_at = Some(at(1));
    let mut change = insert(&run, &[step(0, 1)]);
    change.ops.push(accept(&child, None));
    done(&*store, change).await;
    let purge = Purge {
        finished_before: at(1_000),
        dead_before: at(1_000),
        keys_before: at(1_000),
        limit: 100,
    };
    assert_eq!(store.purge(purge).await.expect("a purge"), 0);
    let head = RunHead {
        version: 2,
        state: RunState::Succeeded,
        finished_at: Some(at(2)),
        ..run.head.clone()
    };
    done(&*store, Op::Run(RunOp::Save(Box::new(head)))).await;
    assert_eq!(store.purge(purge).await.expect("a purge"), 1);
    assert_eq!(store.run_whole(run.spec.id).await.expect("none"), None);
    assert_eq!(
        store.tasks(&[child.id, id()]).await.expect("none"),
        [None, None]
    );
}

/// A run that failed can go on as long as a dead letter of it may be tried again: what it went on from stays, too.
pub async fn what_belongs_to_a_run_with_a_dead_letter_stays_with_it<H: Harness>(h: H) {
    let store = h.open().await;
    let mut run = run_at(0);
    run.head.state = RunState::Failed;
    run.head.finished_at = Some(at(3));
    done(&*store, insert(&run, &[step(0, 1)])).await;
    let of_run = |state, finished| {
        let mut child = task();
        child.spec.run = Some(run.spec.id.to_string());
        child.life.state = state;
        child.life.finished_at = Some(at(finished));
        child
    };
    let (fine, dead) = (of_run(State::Succeeded, 1), of_run(State::Dead, 2));
    done(&*store, accept(&fine, None)).await;
    done(&*store, accept(&dead, None)).await;
    let purge = |dead_before| Purge {
        finished_before: at(1_000),
        dead_before: at(dead_before),
        keys_before: at(1_000),
        limit: 100,
    };
    assert_eq!(store.purge(purge(2)).await.expect("a purge"), 0);
    assert_eq!(store.purge(purge(3)).await.expect("a purge"), 2);
    assert_eq!(store.run_whole(run.spec.id).await.expect("none"), None);
}

/// A task that waits for a run that is over, or is over before its run; no other pair.
pub async fn tasks_and_runs_that_do_not_fit_are_found<H: Harness>(h: H) {
    let store = h.open().await;
    let mut expected = vec![];
    for (n, state) in State::ALL.into_iter().enumerate() {
        for (m, over) in RunState::ALL.iter().enumerate() {
            let (n, m) = (n as u64, m as i64);
            let mut parent = task();
            parent.life.state = state;
            parent.life.epoch = n;
            let mut run = run_at(10 * n.cast_signed() + m);
            run.spec.parent = Some(parent.id);
            run.head.state = *over;
            done(&*store, accept(&parent, None)).await;
            done(&*store, insert(&run, &[])).await;
            let waits = state == State::Blocked && over.is_final();
            let gone = state.is_final() && !over.is_final();
            if waits || gone {
                expected.push((parent.id, state, n, run.head));
            }
        }
    }
    // Nobody waits for this one, and this one is being cancelled.
    done(&*store, insert(&run_at(1), &[])).await;
    let mut parent = task();
    parent.life.state = State::Cancelled;
    let mut run = run_at(2);
    run.spec.parent = Some(parent.id);
    run.head.cancel = Some("gone".into());
    done(&*store, accept(&parent, None)).await;
    done(&*store, insert(&run, &[])).await;
    let whole = store.run_whole(run.spec.id).await.expect("a run");
    assert_eq!(whole.expect("it is there").0.spec.parent, run.spec.parent);

    let found = store.runs_parted(1_000).await.expect("rows");
    let found = found.into_iter();
    let mut found: Vec<_> = found.map(|p| (p.task, p.state, p.epoch, p.run)).collect();
    found.sort_by_key(|one| one.3.id);
    expected.sort_by_key(|one| one.3.id);
    assert_eq!(found, expected);
    let some = store.runs_parted(3).await.expect("rows");
    assert_eq!(some.len(), 3);
}
