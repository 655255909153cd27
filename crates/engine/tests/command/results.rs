//! What goes in, and what comes out as the result of the attempt.

use crate::support::{Place, run, start};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use warrener_engine::command::{Signal, Start};
use warrener_model::failure::Class;

#[tokio::test]
async fn the_task_is_read_from_stdin_to_its_end() {
    let place = Place::new();
    let task = json!({"id": "t1", "input": {"text": "ä".repeat(100_000)}});
    let start = Start {
        stdin: serde_json::to_vec(&task).unwrap(),
        ..start()
    };
    assert_eq!(run(&place.program(&["cat"]), start).await.output(), &task);
}

#[tokio::test]
async fn a_program_need_not_read_its_stdin() {
    let place = Place::new();
    for script in ["exec <&-; sleep 0.1; echo '{\"a\":1}'", "echo '{\"a\":1}'"] {
        let start = Start {
            stdin: vec![b' '; 1_000_000],
            ..start()
        };
        assert_eq!(
            run(&place.sh(script), start).await.output(),
            &json!({"a": 1})
        );
    }
}

#[tokio::test]
async fn stdout_is_json_or_its_last_line_is_or_it_is_text() {
    let place = Place::new();
    for (script, expected) in [
        (r#"printf '{\n"a": 1}\n'"#, json!({"a": 1})),
        ("echo '[1,2]'", json!([1, 2])),
        (r#"echo working; echo '{"a":1}'; echo"#, json!({"a": 1})),
        ("echo hello; echo world", json!({"text": "hello\nworld"})),
        (":", json!({"text": ""})),
        (r"printf '\377\376{'", json!({"text": "\u{fffd}\u{fffd}{"})),
        (r#"printf '{"a":"\377"}'"#, json!({"a": "\u{fffd}"})),
    ] {
        assert_eq!(
            run(&place.sh(script), start()).await.output(),
            &expected,
            "{script}"
        );
    }
}

#[tokio::test]
async fn an_output_over_the_limit_is_invalid_and_names_the_limit() {
    let place = Place::new();
    let ran = run(&place.sh("head -c 3000000 /dev/zero"), start()).await;
    let (class, message, ..) = ran.failure();
    assert_eq!(class, Class::Invalid);
    assert!(message.contains("1048576"), "{message}");
    let ran = run(&place.sh("head -c 3000000 /dev/zero; exit 75"), start()).await;
    assert_eq!(
        ran.failure().0,
        Class::Network,
        "how it ended counts before what it wrote"
    );
}

#[tokio::test]
async fn exit_codes_are_classes() {
    let place = Place::new();
    for (code, class) in [
        (1, Class::Business),
        (64, Class::Invalid),
        (65, Class::Invalid),
        (69, Class::Resource),
        (75, Class::Network),
        (77, Class::Critical),
        (127, Class::Business),
        (137, Class::Crash),
    ] {
        let ran = run(&place.sh(&format!("echo '{{}}'; exit {code}")), start()).await;
        let message = format!("exit code {code}");
        assert_eq!(
            ran.failure(),
            (class, &*message, &json!({"exit_code": code}), None)
        );
    }
}

#[tokio::test]
async fn the_message_is_the_last_line_of_stderr() {
    let place = Place::new();
    let ran = run(
        &place.sh(r"printf 'trace\ncause \377\n\n  \n' >&2; exit 1"),
        start(),
    )
    .await;
    assert_eq!(ran.failure().1, "cause \u{fffd}");
    let ran = run(
        &place.sh("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1"),
        start(),
    )
    .await;
    assert_eq!(ran.failure().1, "x".repeat(4096));
}

#[tokio::test]
async fn a_signal_is_a_crash_and_is_named() {
    let place = Place::new();
    let ran = run(&place.sh("echo '{}'; kill -SEGV $$"), start()).await;
    let detail = json!({"signal": "SIGSEGV"});
    assert_eq!(
        ran.failure(),
        (Class::Crash, "killed by SIGSEGV", &detail, None)
    );
}

#[tokio::test]
async fn an_error_on_descriptor_3_overrules_every_end() {
    let place = Place::new();
    let line = r#"{"error":{"class":"rate_limit","message":"slow down","retry_after_ms":30000}}"#;
    for (end, detail) in [
        ("exit 0", json!({"exit_code": 0})),
        ("exit 77", json!({"exit_code": 77})),
        ("kill -KILL $$", json!({"signal": "SIGKILL"})),
    ] {
        let script = format!("echo '{line}' >&3; echo log >&2; echo '{{}}'; {end}");
        let ran = run(&place.sh(&script), start()).await;
        assert_eq!(
            ran.failure(),
            (Class::RateLimit, "slow down", &detail, Some(30_000)),
            "{end}"
        );
    }
}

#[tokio::test]
async fn progress_is_told_and_nonsense_on_descriptor_3_does_no_harm() {
    let place = Place::new();
    let script = r#"
        echo '{"progress":{"fraction":0.4,"message":"half"}}' >&3
        echo nonsense >&3; printf '\377\n' >&3; head -c 200000 /dev/zero >&3; echo >&3
        echo "{\"fd\":\"$WARRENER_FD\"}""#;
    let ran = run(&place.sh(script), start()).await;
    assert_eq!(ran.output(), &json!({"fd": "3"}));
    let half = Signal::Progress {
        fraction: Some(0.4),
        message: Some("half".into()),
    };
    assert!(ran.signals.contains(&half), "{:?}", ran.signals);
    let notes = ran.log("warrener");
    assert_eq!(notes.lines().count(), 3, "{notes}");
    assert!(
        notes.contains("not JSON: nonsense") && notes.contains("65536"),
        "{notes}"
    );
}

#[tokio::test]
async fn a_program_that_cannot_start_is_a_failure_that_says_what_to_do() {
    let place = Place::new();
    place.file("plain.txt", "text");
    let bad = place.file("bad.sh", "#!/no/such/interpreter\n");
    std::fs::set_permissions(bad, PermissionsExt::from_mode(0o755)).unwrap();
    for (argv, part) in [
        (&["no-such-program-here"][..], "PATH"),
        (&["./missing", "x"], "missing\""),
        (&["./plain.txt"], "chmod +x"),
        (&["./bad.sh"], "first line"),
        (&["sh", "a\0b"], "correct"),
        (&[], "no command"),
    ] {
        let ran = run(&place.program(argv), start()).await;
        let (class, message, detail, _) = ran.failure();
        assert_eq!((class, detail), (Class::Invalid, &Value::Null), "{argv:?}");
        assert!(message.contains(part), "{message}");
        assert!(
            argv.first().is_none_or(|it| message.contains(it)),
            "{message}"
        );
    }
    let mut program = place.sh("exit 0");
    program.cwd = Some("nowhere".into());
    let ran = run(&program, start()).await;
    assert!(
        ran.failure().1.contains("nowhere is not a folder"),
        "{:?}",
        ran.ended
    );
    assert!(place.is_tidy());
}

#[tokio::test]
async fn without_a_place_to_work_it_is_a_lack_of_resources() {
    let place = Place::new();
    let mut program = place.sh("exit 0");
    program.work_root = place.file("file", "").join("work");
    assert_eq!(run(&program, start()).await.failure().0, Class::Resource);
}

#[tokio::test]
async fn each_run_has_a_fresh_folder_that_goes_away() {
    let place = Place::new();
    let script = r#"mkdir -p deep/er; echo x > deep/er/file; ln -s "$WARRENER_AGENT_DIR" link
        chmod 500 deep/er deep; ls | tr '\n' ' '; pwd"#;
    place.file("keep", "");
    let one = run(&place.sh(script), start()).await.output()["text"]
        .as_str()
        .unwrap()
        .to_owned();
    let two = run(&place.sh(script), start()).await.output()["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(one.starts_with("deep link /"), "{one}");
    assert_ne!(one, two);
    assert!(place.is_tidy());
    assert!(
        place.base().join("keep").exists(),
        "links are removed, not followed"
    );
}

#[tokio::test]
async fn a_given_folder_is_used_and_kept() {
    let place = Place::new();
    place.file("sub/here", "");
    let mut program = place.sh("ls");
    program.cwd = Some("sub".into());
    assert_eq!(
        run(&program, start()).await.output(),
        &json!({"text": "here"})
    );
    assert!(place.base().join("sub/here").exists());
    assert!(!place.work_root().exists());
}

#[tokio::test]
async fn words_that_name_files_of_the_base_still_do() {
    let place = Place::new();
    let script = place.file("agents/say.sh", "#!/bin/sh\necho \"$*\"\n");
    std::fs::set_permissions(script, PermissionsExt::from_mode(0o755)).unwrap();
    place.file("sh", "not the shell");
    let base = place.base();
    let data = base.join("agents/say.sh");
    for argv in [
        &[
            "sh",
            "agents/say.sh",
            "agents/say.sh",
            "agents",
            "no/file",
            "--x=agents/say.sh",
        ][..],
        &[
            "./agents/say.sh",
            "agents/say.sh",
            "agents",
            "no/file",
            "--x=agents/say.sh",
        ],
    ] {
        let ran = run(&place.program(argv), start()).await;
        let text = format!("{} agents no/file --x=agents/say.sh", data.display());
        assert_eq!(ran.output(), &json!({"text": text}), "{argv:?}");
    }
    let mut program = place.program(&["sh", "agents/say.sh", "agents/say.sh"]);
    program.cwd = Some(base);
    let ran = run(&program, start()).await;
    assert_eq!(
        ran.output(),
        &json!({"text": "agents/say.sh"}),
        "nothing to change in place"
    );
}

#[tokio::test]
async fn the_environment_is_the_agents_without_its_settings_and_what_is_given() {
    let place = Place::new();
    // The process environment cannot be changed safely here, so another process plays the agent.
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "results::plays_an_agent_with_secrets",
            "--nocapture",
        ])
        .env("TEST_PLACE", place.base())
        .env("WARRENER_STORE__URL", "postgres://secret")
        .env("ORDINARY", "kept")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let seen = std::fs::read_to_string(place.base().join("seen")).unwrap();
    let line = |wanted: &str| seen.lines().any(|line| line == wanted);
    assert!(
        line("ORDINARY=kept") && line("WARRENER_TASK_ID=t1"),
        "{seen}"
    );
    assert!(
        line("WARRENER_FD=3") && line("WARRENER_RUN=the-marker"),
        "{seen}"
    );
    assert!(
        line(&format!("WARRENER_AGENT_DIR={}", place.base().display())),
        "{seen}"
    );
    assert!(!seen.contains("secret"), "{seen}");
}

#[tokio::test]
async fn plays_an_agent_with_secrets() {
    let Some(base) = std::env::var_os("TEST_PLACE").map(PathBuf::from) else {
        return;
    };
    let place = Place::new();
    let mut program = place.sh("env > \"$WARRENER_AGENT_DIR/seen\"");
    program.base = base;
    let env = vec![("WARRENER_TASK_ID".into(), "t1".into())];
    let start = Start {
        env,
        marker: "the-marker".into(),
        ..start()
    };
    run(&program, start).await.output();
}
