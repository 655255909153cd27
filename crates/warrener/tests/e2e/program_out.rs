//! What a program says (contract of agents): stdout is the result, stderr the log, descriptor 3 progress and errors,
//! and the exit code the class.

use crate::harness::{BY_KIND, Place, until};
use serde_json::{Value, json};

#[test]
fn stdout_is_the_result_whole_or_its_last_line_or_as_text() {
    let place = Place::new();
    let cases = [
        ("object", "echo '{\"a\": 1}'", json!({ "a": 1 })),
        ("array", "echo '[1, 2]'", json!([1, 2])),
        ("lines", "printf '{\"a\":\\n1}\\n\\n'", json!({ "a": 1 })),
        ("last", "echo talk; echo '{\"a\": 1}'", json!({ "a": 1 })),
        ("open", "echo talk; printf '{\"a\": 1}'", json!({ "a": 1 })),
        ("text", "echo hello", json!({ "text": "hello" })),
        ("number", "echo 7", json!({ "text": "7" })),
        (
            "list-last",
            "echo talk; echo '[1]'",
            json!({ "text": "talk\n[1]" }),
        ),
        ("nothing", "exit 0", json!({ "text": "" })),
    ];
    for (kind, script, _) in &cases {
        place.write(&format!("{kind}.sh"), script);
    }
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", BY_KIND);
    for (kind, script, wanted) in &cases {
        let id = http.submit(&json!({ "kind": kind }));
        let task = http.ends(&id, "succeeded");
        let mut output = task["output"].clone();
        if let Some(text) = output["text"].as_str() {
            // Whether the last line end belongs to the text is nobody's business.
            output["text"] = json!(text.trim_end());
        }
        assert_eq!(output, *wanted, "{script}");
        let result = place.call(&["task", "result", &id]).fine();
        let result: Value = serde_json::from_str(&result).unwrap();
        assert_eq!(result, task["output"]);
    }
}

#[test]
fn numbers_of_inputs_and_results_keep_every_digit() {
    const NUMBERS: &str = r#"{"n":123456789012345678901234567890,"x":1e400,"d":0.10}"#;
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", &format!("echo working; echo '{NUMBERS}'"));
    let submit = ["task", "submit", "--kind", "work", "--input", NUMBERS, "-q"];
    let id = place.call(&submit).fine().trim().to_owned();
    place.call(&["task", "wait", &id]).fine();
    let bare = |text: String| -> String { text.split_whitespace().collect() };
    assert_eq!(bare(place.call(&["task", "result", &id]).fine()), NUMBERS);
    let task = bare(place.call(&["task", "get", &id, "-o", "json"]).fine());
    assert!(task.contains(&format!("\"input\":{NUMBERS}")), "{task}");
    assert!(task.contains(&format!("\"output\":{NUMBERS}")), "{task}");
    assert_eq!(http.times(&id, "succeeded"), 1);
}

#[test]
fn what_is_not_utf_8_harms_nobody() {
    let place = Place::with("[retry.network]\nretries = 0");
    place.write("out.sh", r"printf 'a\377b'");
    place.write("err.sh", r"printf 'no \377 way\n' >&2; exit 75");
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", BY_KIND);
    let out = http.submit(&json!({ "kind": "out" }));
    let task = http.ends(&out, "succeeded");
    assert_eq!(task["output"]["text"], "a\u{fffd}b");
    let err = http.submit(&json!({ "kind": "err" }));
    let task = http.ends(&err, "dead");
    assert_eq!(task["error"]["message"], "no \u{fffd} way");
    until("the log", || {
        http.log(&err).contains("no \u{fffd} way").then_some(())
    });
}

#[test]
fn exit_codes_are_classes_and_classes_are_ends() {
    let place = Place::with(
        "[retry.network]\nretries = 0\n[retry.resource]\nretries = 0\n[retry.crash]\nretries = 0",
    );
    let script = r#"
        code=$(sed 's/.*"input":"\([^"]*\)".*/\1/')
        echo "ends with $code" >&2
        case $code in KILL) kill -KILL $$;; *) exit "$code";; esac"#;
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", script);
    for (code, class, state, reason) in [
        ("75", "network", "dead", "exhausted"),
        ("64", "invalid", "dead", "invalid"),
        ("65", "invalid", "dead", "invalid"),
        ("69", "resource", "dead", "exhausted"),
        ("77", "critical", "dead", "critical"),
        ("128", "crash", "dead", "poison"),
        ("200", "crash", "dead", "poison"),
        ("KILL", "crash", "dead", "poison"),
        ("1", "business", "failed", ""),
        ("2", "business", "failed", ""),
        ("127", "business", "failed", ""),
    ] {
        let id = http.submit(&json!({ "kind": "work", "input": code }));
        let task = http.ends(&id, state);
        assert_eq!(task["error"]["class"], class, "{code}");
        assert_eq!(task["attempt"], 1, "{code}");
        assert_eq!(task["output"], Value::Null);
        assert_eq!(task["dead_reason"].as_str().unwrap_or_default(), reason);
        let error = &task["error"];
        if code == "KILL" {
            assert_eq!(error["detail"], json!({ "signal": "SIGKILL" }));
        } else {
            assert_eq!(error["detail"]["exit_code"].to_string(), code);
            assert_eq!(error["message"], format!("ends with {code}"));
        }
    }
}

#[test]
fn an_error_on_descriptor_3_overrules_every_exit_code() {
    let place = Place::with("[retry.business]\nretries = 0");
    place.write(
        "limit.sh",
        r#"error='"class":"rate_limit","message":"slow down","retry_after_ms":120000'
        echo "{\"error\":{$error}}" >&3; exit 0"#,
    );
    place.write(
        "invalid.sh",
        r#"echo '{"error":{"class":"invalid","message":"bad row"}}' >&3; exit 75"#,
    );
    place.write(
        "unknown.sh",
        r#"echo '{"error":{"class":"weird","message":"hm"}}' >&3; exit 75"#,
    );
    place.write("nonsense.sh", "echo nonsense >&3; echo '{\"fine\":true}'");
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", BY_KIND);
    let of = |kind: &str| http.submit(&json!({ "kind": kind }));
    let id = of("limit");
    let task = http.until_state(&id, "retrying");
    assert_eq!(task["error"]["class"], "rate_limit");
    assert_eq!(task["error"]["message"], "slow down");
    let retry_at = crate::flow::time(task["retry_at"].as_str().unwrap());
    let failed_at = crate::flow::time(task["waiting_since"].as_str().unwrap());
    assert_eq!(retry_at.since(failed_at).as_millis(), 120_000);
    let task = http.ends(&of("invalid"), "dead");
    assert_eq!(task["error"]["class"], "invalid");
    assert_eq!(task["error"]["message"], "bad row");
    let task = http.ends(&of("unknown"), "failed");
    assert_eq!(task["error"]["class"], "business");
    let id = of("nonsense");
    let task = http.ends(&id, "succeeded");
    assert_eq!(task["output"], json!({ "fine": true }));
    until("a note in the log", || {
        http.log(&id).contains("nonsense").then_some(())
    });
}

#[test]
fn progress_and_log_are_seen_while_the_program_runs() {
    let place = Place::new();
    let script = r#"
        echo 'first words' >&2
        echo '{"progress":{"fraction":0.4,"message":"nearly half"}}' >&3
        while [ ! -e "$WARRENER_AGENT_DIR/go" ]; do sleep 0.05; done
        echo 'last words' >&2"#;
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", script);
    let id = http.submit(&json!({ "kind": "work" }));
    let task = until("progress", || {
        let task = http.task(&id);
        (task["progress"]["fraction"] == 0.4).then_some(task)
    });
    assert_eq!(task["progress"]["message"], "nearly half");
    assert_eq!(task["state"], "running");
    until("the log", || {
        let log = place.call(&["task", "logs", &id]).fine();
        (log == "first words\n").then_some(())
    });
    let mut following = place.start("logs", &["task", "logs", "-F", &id]);
    until("the first words", || {
        following.out().contains("first words").then_some(())
    });
    assert!(following.is_running());
    place.write("go", "");
    assert_eq!(following.ends(), Some(0), "{}", following.err());
    assert_eq!(following.out(), "first words\nlast words\n");
    http.ends(&id, "succeeded");
    assert_eq!(
        place.call(&["task", "logs", &id, "--attempt", "2"]).fine(),
        ""
    );
}

#[test]
fn a_line_of_ten_megabytes_is_kept_and_a_longer_log_loses_its_middle() {
    let place = Place::new();
    place.write(
        "whole.sh",
        "head -c 10485759 /dev/zero | tr '\\0' x >&2; echo >&2; echo '{}'",
    );
    place.write(
        "more.sh",
        "echo BEGIN >&2; head -c 12000000 /dev/zero | tr '\\0' x >&2; echo END >&2; echo '{}'",
    );
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", BY_KIND);
    let id = http.submit(&json!({ "kind": "whole" }));
    http.ends(&id, "succeeded");
    let log = until("the whole line", || {
        Some(http.log(&id)).filter(|log| log.len() >= 10 * 1024 * 1024)
    });
    assert_eq!(log.len(), 10 * 1024 * 1024);
    assert!(log.trim_end().bytes().all(|byte| byte == b'x'));
    let id = http.submit(&json!({ "kind": "more" }));
    http.ends(&id, "succeeded");
    let log = until("its end", || {
        Some(http.log(&id)).filter(|log| log.trim_end().ends_with("END"))
    });
    assert!(log.starts_with("BEGIN"));
    assert!(log.len() < 11 * 1024 * 1024, "{} bytes", log.len());
}

#[test]
fn an_output_over_its_limit_is_invalid_and_names_the_limit() {
    let place = Place::new();
    let script = "head -c 1100000 /dev/zero | tr '\\0' x";
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", script);
    let id = http.submit(&json!({ "kind": "work" }));
    let task = http.ends(&id, "dead");
    assert_eq!(task["error"]["class"], "invalid");
    let message = task["error"]["message"].as_str().unwrap();
    assert!(message.contains("1048576"), "{message}");
}

#[test]
fn defect_18_no_error_is_too_strange_to_be_recorded() {
    let place = Place::new();
    place.write("silent.sh", "exit 3");
    place.write(
        "long.sh",
        "head -c 1000000 /dev/zero | tr '\\0' e >&2; exit 3",
    );
    place.write(
        "control.sh",
        r"printf 'red \033[31m\001 alert\n' >&2; exit 3",
    );
    place.write(
        "json.sh",
        r#"echo '{"error":null}' >&3; echo 'undefined' >&2; exit 3"#,
    );
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", BY_KIND);
    for kind in [
        "silent",
        "long",
        "control",
        "json",
        "there-is-no-such-script",
    ] {
        let id = http.submit(&json!({ "kind": kind }));
        let task = http.ends(&id, "failed");
        let message = task["error"]["message"].as_str().unwrap();
        assert!(
            !message.is_empty() && message.len() <= 4 * 1024,
            "{message}"
        );
        assert_eq!(task["error"]["class"], "business");
        let shown = place
            .call(&["task", "list", "-f", &format!("id:{id}")])
            .fine();
        assert!(!shown.contains('\u{1b}'), "a terminal is not steered");
    }
}
