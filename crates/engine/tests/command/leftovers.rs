//! Nothing is left behind: children that stay, that hold pipes, that flee from the group. And no zombies.

use crate::support::{Place, exists, run, run_until, start, until};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use warrener_engine::command::Ended;

#[tokio::test]
async fn a_grandchild_that_holds_stdout_does_not_hold_the_run() {
    let place = Place::new();
    let ran = run(&place.sh("sleep 300 & echo \"{\\\"pid\\\":$!}\""), start()).await;
    let pid = ran.output()["pid"].as_u64().unwrap();
    assert!(!exists(pid.try_into().unwrap()));
}

#[tokio::test]
async fn a_child_that_still_writes_when_the_program_ends_is_heard() {
    let place = Place::new();
    let ran = run(
        &place.sh("(sleep 0.01; echo '{\"late\":1}') & exit 0"),
        start(),
    )
    .await;
    assert_eq!(ran.output(), &json!({"late": 1}));
}

/// Runs a script that flees; it has written `pid` before the run ends, and is gone with it.
#[cfg(target_os = "linux")]
async fn check_no_escape(script: &str) {
    let place = Place::new();
    place.file(
        "flee.sh",
        "echo $$ > \"$WARRENER_AGENT_DIR/pid\"; exec sleep 300",
    );
    let wait = r#"until [ -s "$WARRENER_AGENT_DIR/pid" ]; do sleep 0.02; done; echo '{}'"#;
    let ran = run(&place.sh(&format!("{script}\n{wait}")), start()).await;
    assert_eq!(ran.output(), &json!({}), "{script}");
    let pid = place.pid("pid").await;
    assert!(!exists(pid), "{script} left {pid}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn whoever_leaves_the_group_is_found() {
    let quiet = "<&- >/dev/null 2>&1 3>&-";
    let flee = r#"sh "$WARRENER_AGENT_DIR/flee.sh""#;
    for script in [
        format!("setsid {flee} {quiet} &"),
        format!("setsid {flee} &"),
        format!("(setsid {flee} {quiet} &) &"),
        format!("setsid sh -c 'setsid {flee} & setsid sleep 300 & exit' {quiet} &"),
        format!(
            "env -u WARRENER_RUN sh -c 'setsid env WARRENER_RUN=$0 {flee} & sleep 300' $WARRENER_RUN {quiet} &"
        ),
        format!("(trap '' TERM HUP; {flee} {quiet}) &"),
        format!("env -u WARRENER_RUN {flee} {quiet} &"),
    ] {
        check_no_escape(&script).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn whoever_left_the_group_is_found_after_a_stop() {
    let place = Place::new();
    place.file(
        "flee.sh",
        "echo $$ > \"$WARRENER_AGENT_DIR/pid\"; exec sleep 300",
    );
    let program = place.sh("setsid sh \"$WARRENER_AGENT_DIR/flee.sh\" & sleep 300");
    let stop = CancellationToken::new();
    let stopper = async {
        let pid = place.pid("pid").await;
        stop.cancel();
        pid
    };
    let (ran, pid) = tokio::join!(run_until(&program, start(), stop.clone()), stopper);
    assert_eq!(ran.ended, Ended::Stopped);
    assert!(!exists(pid));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_run_clears_away_its_own_and_nobody_elses() {
    let place = Place::new();
    let stop = CancellationToken::new();
    let long = place
        .sh(r#"setsid sh -c 'echo $$ > "$WARRENER_AGENT_DIR/other"; exec sleep 300' & sleep 300"#);
    let others = async {
        let other = place.pid("other").await;
        for _ in 0..3 {
            run(&place.sh("setsid sleep 300 & exit 0"), start())
                .await
                .output();
        }
        assert!(exists(other));
        stop.cancel();
        other
    };
    let (ran, other) = tokio::join!(run_until(&long, start(), stop.clone()), others);
    assert_eq!(ran.ended, Ended::Stopped);
    assert!(!exists(other));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn orphans_that_end_while_the_program_runs_do_not_stay_as_zombies() {
    let place = Place::new();
    let program = place.sh(r#"(setsid sh -c 'echo $$ > "$WARRENER_AGENT_DIR/one"' &)
        (sh -c 'echo $$ > "$WARRENER_AGENT_DIR/two"' &)
        until [ -e "$WARRENER_AGENT_DIR/seen" ]; do sleep 0.02; done"#);
    let watcher = async {
        for name in ["one", "two"] {
            let pid = place.pid(name).await;
            until(|| !exists(pid)).await;
        }
        place.file("seen", "");
    };
    let (ran, ()) = tokio::join!(run(&program, start()), watcher);
    ran.output();
}

/// As in a container entered from outside: the session began in another PID namespace, and /proc calls it 0.
#[cfg(target_os = "linux")]
#[test]
fn nothing_stays_where_the_session_began_outside_the_pid_namespace() {
    use std::process::Command;

    let enter = |user: &[&str], words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(user).args(["--pid", "--fork", "--mount-proc"]);
        command.args(words).output()
    };
    let allowed = |user: &[&str]| enter(user, &["true"]).is_ok_and(|out| out.status.success());
    let ways: [&[&str]; 2] = [&[], &["--map-root-user"]];
    let Some(way) = ways.into_iter().find(|way| allowed(way)) else {
        println!(
            "this machine lets nobody make a PID namespace; the other tests run in whichever it is"
        );
        return;
    };
    let myself = std::env::current_exe().unwrap();
    let tests = [
        "leftovers::whoever",
        "leftovers::orphans",
        "leftovers::a_run",
    ];
    let out = enter(way, &[&[myself.to_str().unwrap()], &tests[..]].concat()).unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}");
    assert!(said.contains("test result: ok. 4 passed"), "{said}");
}
