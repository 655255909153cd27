//! The log: live, bounded, and never in the way of the end.

use crate::support::{Place, exists, run, start, until};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use warrener_engine::command::{Ended, Signal, run as run_command};
use warrener_model::Json;

#[tokio::test]
async fn the_log_is_heard_while_the_program_runs() {
    let place = Place::new();
    let program = place.sh(r#"echo first >&2; printf 'bar 10%%\r' >&2
        until [ -e "$WARRENER_AGENT_DIR/heard" ]; do sleep 0.02; done; printf 'no end' >&2"#);
    let (tell, mut told) = mpsc::channel(4);
    let run = run_command(&program, start(), tell, CancellationToken::new());
    let listen = async {
        let mut text = String::new();
        while let Some(Signal::Log { text: more, .. }) = told.recv().await {
            text.push_str(&more);
            if text == "first\nbar 10%\r" {
                place.file("heard", "");
            }
        }
        text
    };
    let (ended, text) = tokio::join!(run, listen);
    assert_eq!(
        (ended, &*text),
        (
            Ended::Succeeded(Json::of(&json!({"text": ""})).unwrap()),
            "first\nbar 10%\rno end"
        )
    );
}

#[tokio::test]
async fn a_line_of_ten_megabytes_comes_in_pieces() {
    let place = Place::new();
    let ran = run(
        &place.sh("head -c 10485760 /dev/zero | tr '\\0' x >&2"),
        start(),
    )
    .await;
    ran.output();
    let mut total = 0;
    for signal in &ran.signals {
        let Signal::Log {
            text,
            stream: "stderr",
        } = signal
        else {
            panic!("{signal:?}")
        };
        assert!(text.len() <= 32 * 1024 && text.bytes().all(|byte| byte == b'x'));
        total += text.len();
    }
    assert_eq!(total, 10 * 1024 * 1024);
}

#[tokio::test]
async fn of_a_long_log_the_first_and_the_last_half_are_kept() {
    let place = Place::new();
    let mut program = place.sh("i=0; while [ $i -lt 9999 ]; do echo line$i; i=$((i+1)); done >&2");
    program.log_limit = 1000;
    let ran = run(&program, start()).await;
    let (log, notes) = (ran.log("stderr"), ran.log("warrener"));
    assert_eq!(log.len(), 1000);
    assert!(
        log.starts_with("line0\nline1\n") && log.ends_with("line9997\nline9998\n"),
        "{log}"
    );
    let written: usize = (0..9999).map(|i| format!("line{i}\n").len()).sum();
    assert!(
        notes.contains(&format!("{} bytes", written - 1000)),
        "{notes}"
    );
}

#[tokio::test]
async fn a_receiver_that_does_not_take_does_not_delay_the_kill() {
    let place = Place::new();
    let program = place.sh(
        r#"trap '' TERM; echo $$ > "$WARRENER_AGENT_DIR/pid"
        while :; do echo "{\"progress\":{}}" >&3; echo "a line of the log, of some length"; done >&2"#,
    );
    let (tell, mut told) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let run = run_command(&program, start(), tell, stop.clone());
    let listen = async {
        let pid = place.pid("pid").await;
        until(|| told.len() == 1).await;
        stop.cancel();
        // Nothing is taken from the channel until the program is dead.
        until(|| !exists(pid)).await;
        let mut count = 0;
        while told.recv().await.is_some() {
            count += 1;
        }
        count
    };
    let (ended, count) = tokio::join!(run, listen);
    assert_eq!(ended, Ended::Stopped);
    assert!(count > 1);
}

#[tokio::test]
async fn without_a_receiver_the_program_runs_on() {
    let place = Place::new();
    let program = place.sh("head -c 2000000 /dev/zero >&2; echo '{\"a\":1}'");
    let (tell, told) = mpsc::channel(1);
    drop(told);
    let ended = run_command(&program, start(), tell, CancellationToken::new()).await;
    assert_eq!(ended, Ended::Succeeded(Json::of(&json!({"a": 1})).unwrap()));
}
