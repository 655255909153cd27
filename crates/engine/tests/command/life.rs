//! Timeout, stop, and being dropped: SIGTERM first, SIGKILL after the grace, the whole group.

use crate::support::{Place, is_alive, run, run_until, start, start_with_timeout, until};
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use warrener_engine::command::{Ended, run as run_command};
use warrener_model::failure::Class;

/// Writes its pid and works for ever.
const WORK: &str = r#"echo $$ > "$WARRENER_AGENT_DIR/pid"; while :; do sleep 0.02; done"#;

#[tokio::test]
async fn who_takes_too_long_is_stopped() {
    let place = Place::new();
    let ran = run(
        &place.sh("echo '{}'; sleep 300 & sleep 300"),
        start_with_timeout(100),
    )
    .await;
    let message = "ran longer than its timeout of 100ms";
    let detail = json!({"timeout_ms": 100});
    assert_eq!(ran.failure(), (Class::Timeout, message, &detail, None));
    assert!(place.is_tidy());
}

/// Runs a script that writes its pid, stops it, and gives its log when it is gone.
async fn stopped(place: &Place, script: &str) -> String {
    let stop = CancellationToken::new();
    let stopper = async {
        let pid = place.pid("pid").await;
        stop.cancel();
        pid
    };
    let program = place.sh(script);
    let (ran, pid) = tokio::join!(run_until(&program, start(), stop.clone()), stopper);
    assert_eq!(ran.ended, Ended::Stopped);
    assert!(!is_alive(pid) && place.is_tidy());
    ran.log("stderr")
}

#[tokio::test]
async fn a_stop_asks_first() {
    let place = Place::new();
    let log = stopped(&place, &format!("trap 'echo bye >&2; exit 0' TERM; {WORK}")).await;
    assert!(log.ends_with("bye\n"), "{log}");
}

#[tokio::test]
async fn a_program_that_ignores_sigterm_is_killed() {
    let place = Place::new();
    stopped(&place, &format!("trap '' TERM; {WORK}")).await;
}

#[tokio::test]
async fn a_stop_ends_the_whole_group() {
    let place = Place::new();
    let script = format!("sh -c 'echo $$ > \"$WARRENER_AGENT_DIR/child\"; sleep 300' & {WORK}");
    let stop = CancellationToken::new();
    let program = place.sh(&script);
    let stopper = async {
        let pids = (place.pid("pid").await, place.pid("child").await);
        stop.cancel();
        pids
    };
    let (ran, pids) = tokio::join!(run_until(&program, start(), stop.clone()), stopper);
    assert_eq!(ran.ended, Ended::Stopped);
    assert!(!is_alive(pids.0) && !is_alive(pids.1));
    assert!(place.is_tidy());
}

#[tokio::test]
async fn the_grace_is_for_the_children_too() {
    let place = Place::new();
    place.file(
        "child.sh",
        r#"trap 'sleep 0.3; echo done > "$WARRENER_AGENT_DIR/done"; exit' TERM
        echo $$ > "$WARRENER_AGENT_DIR/pid"; while :; do sleep 0.02; done"#,
    );
    let mut program = place.sh("sh \"$WARRENER_AGENT_DIR/child.sh\" & wait");
    program.grace = Duration::from_secs(30);
    let stop = CancellationToken::new();
    let stopper = async {
        place.pid("pid").await;
        stop.cancel();
    };
    let (ran, ()) = tokio::join!(run_until(&program, start(), stop.clone()), stopper);
    assert_eq!(ran.ended, Ended::Stopped);
    assert!(
        place.base().join("done").exists(),
        "the shell went at once, its child took its time"
    );
}

#[tokio::test]
async fn a_stop_before_the_start_starts_nothing() {
    let place = Place::new();
    let stop = CancellationToken::new();
    stop.cancel();
    let program = place.sh("touch \"$WARRENER_AGENT_DIR/ran\"");
    assert_eq!(
        run_until(&program, start(), stop).await.ended,
        Ended::Stopped
    );
    assert!(!place.base().join("ran").exists());
}

#[tokio::test]
async fn who_ended_before_its_time_is_not_late() {
    let place = Place::new();
    let ran = run(&place.sh("echo '{\"a\":1}'"), start_with_timeout(60_000)).await;
    assert_eq!(ran.output(), &json!({"a": 1}));
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_any_more_is_killed() {
    let place = Place::new();
    let program = place.sh(WORK);
    let (tell, _told) = mpsc::channel(1);
    let run = tokio::spawn(async move {
        run_command(&program, start(), tell, CancellationToken::new()).await
    });
    let pid = place.pid("pid").await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    until(|| !is_alive(pid)).await;
    until(|| place.is_tidy()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_do_not_disturb_each_other() {
    let place = Place::new();
    let runs = (0..48).map(|number| {
        let program = place.sh(&format!(
            "sleep 300 & sleep 0.0{}; echo '[{number}]'",
            number % 7
        ));
        tokio::spawn(async move { run(&program, start()).await })
    });
    for (number, run) in runs.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(run.await.unwrap().output(), &json!([number]));
    }
    assert!(place.is_tidy());
}
