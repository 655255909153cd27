//! What a program is given (contract of agents): stdin, environment, folder, group, token.

use crate::harness::{BY_KIND, Place, until};
use crate::http::{Http, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Fields of the task object, as section 0 of the contract has them.
const FIELDS: &str = "id kind lane priority title description state final waiting_for waiting_since attempt epoch \
    max_attempts agent input output error dead_reason labels run_id step parent_id created_at not_before ready_at \
    started_at finished_at retry_at deadline timeout_ms progress usage replays version";

/// Keeps everything that it is given, per attempt.
const KEEPS: &str = r#"
    cat > "$WARRENER_AGENT_DIR/stdin-$WARRENER_ATTEMPT"
    env > "$WARRENER_AGENT_DIR/env-$WARRENER_ATTEMPT"
    pwd > "$WARRENER_AGENT_DIR/pwd-$WARRENER_ATTEMPT"
    touch left-behind
    ps -o pgid= -p $$ > "$WARRENER_AGENT_DIR/group-$WARRENER_ATTEMPT"
    echo $$ > "$WARRENER_AGENT_DIR/pid-$WARRENER_ATTEMPT"
    [ "$WARRENER_ATTEMPT" -gt 1 ] || exit 75"#;

fn variables(place: &Place, file: &str) -> BTreeMap<String, String> {
    let lines = place.lines(file).into_iter();
    let pairs = lines.filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

fn kept(settings: &str) -> (Place, String, Value) {
    let place = Place::with(&format!("[retry.network]\nbase = \"20ms\"\n{settings}"));
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", KEEPS);
    let request = json!({
        "kind": "work.fine", "title": "a title", "description": "a brief", "priority": "high",
        "input": { "n": 1, "deep": [null, "ü"] }, "labels": { "team": "a" }, "timeout_ms": 60_000,
        "deadline_ms": 3_600_000, "max_attempts": 7,
    });
    let id = http.submit(&request);
    let task = http.ends(&id, "succeeded");
    (place, id, task)
}

#[test]
fn the_task_comes_on_stdin_with_every_field_and_then_the_end_of_file() {
    let (place, id, task) = kept("");
    for attempt in [1, 2] {
        let stdin: Value = serde_json::from_str(&place.read(&format!("stdin-{attempt}"))).unwrap();
        let object = stdin.as_object().unwrap();
        for field in FIELDS.split_whitespace() {
            assert!(object.contains_key(field), "no {field} in {stdin}");
        }
        assert_eq!(stdin["id"], id.as_str());
        for field in
            "kind lane priority title description input labels created_at deadline timeout_ms"
                .split(' ')
        {
            assert_eq!(stdin[field], task[field], "{field}");
        }
        assert_eq!(stdin["attempt"], attempt);
        assert_eq!(stdin["state"], "running");
        assert_eq!(stdin["final"], false);
        assert_eq!(stdin["agent"], "ann");
        assert_eq!(stdin["max_attempts"], 7);
    }
}

#[test]
fn the_environment_names_task_attempt_epoch_deadline_server_and_trace() {
    let (place, id, task) = kept("");
    let (first, second) = (variables(&place, "env-1"), variables(&place, "env-2"));
    for (attempt, env) in [("1", &first), ("2", &second)] {
        assert_eq!(env["WARRENER_TASK_ID"], id);
        assert_eq!(env["WARRENER_IDEMPOTENCY_KEY"], id, "stable over attempts");
        assert_eq!(env["WARRENER_ATTEMPT"], attempt);
        assert_eq!(env["WARRENER_DEADLINE"], text(&task, "deadline"));
        assert!(env["WARRENER_SERVER"].starts_with("http://127.0.0.1:"));
        assert!(env["WARRENER_TASK_TOKEN"].starts_with("wt1."));
        assert_eq!(env["WARRENER_FD"], "3");
        assert_eq!(env["WARRENER_AGENT_DIR"], place.root().to_str().unwrap());
        let parts: Vec<&str> = env["TRACEPARENT"].split('-').collect();
        assert_eq!((parts[0], parts[1]), ("00", id.replace('-', "").as_str()));
        assert_eq!((parts[2].len(), parts[3]), (16, "01"));
    }
    let epoch = |env: &BTreeMap<String, String>| env["WARRENER_EPOCH"].parse::<u64>().unwrap();
    assert!(epoch(&second) > epoch(&first), "the fence grows");
    assert_ne!(
        first["TRACEPARENT"], second["TRACEPARENT"],
        "a span for each"
    );
    assert_ne!(first["WARRENER_TASK_TOKEN"], second["WARRENER_TASK_TOKEN"]);
}

#[test]
fn without_a_deadline_its_variable_is_empty_and_the_agents_own_settings_are_not_passed_on() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let line = format!("--server {} agent run --name ann -- sh -c", http.url);
    let words = line.split(' ').chain([KEEPS]).collect::<Vec<_>>();
    let mut command = place.command(&words);
    place.write("password", "amqp://user:s3cret-word@broker/");
    command.env("WARRENER_TIMERS__HELLO", "90ms");
    command.env("WARRENER_TOKEN", &http.token);
    command.env("WARRENER_BROKER__URL_FILE", place.path("password"));
    command.env("RABBITMQ_URL", "amqp://user:s3cret-word@broker/");
    for part in ["HOST", "USER", "PASSWORD", "VHOST"] {
        command.env(format!("RABBITMQ_{part}"), "s3cret-word");
    }
    command.env("RABBITMQ_PORT", "5672");
    command.env("RABBITMQ_NODENAME", "stays");
    command.env("OF_THE_USER", "stays");
    let _agent = crate::harness::Process::start(&place, "ann", command);
    let retry = json!({ "network": { "base_ms": 1 } });
    let id = http.submit(&json!({ "kind": "work", "retry": retry }));
    http.ends(&id, "succeeded");
    let env = variables(&place, "env-2");
    assert_eq!(env["WARRENER_DEADLINE"], "");
    assert_eq!(env["OF_THE_USER"], "stays");
    assert!(
        !env.contains_key("WARRENER_TOKEN"),
        "the operator's token is not the program's"
    );
    assert!(!env.contains_key("WARRENER_TIMERS__HELLO"));
    assert_eq!(env["RABBITMQ_NODENAME"], "stays", "nothing that is read");
    for name in ["URL", "HOST", "PORT", "USER", "PASSWORD", "VHOST"] {
        assert!(!env.contains_key(&format!("RABBITMQ_{name}")), "{name}");
    }
    assert!(!env.contains_key("WARRENER_BROKER__URL_FILE"));
    assert!(!place.read("env-2").contains("s3cret-word"));
}

#[test]
fn each_run_has_a_folder_and_a_group_of_its_own_and_the_folder_goes_away() {
    let (place, _, _) = kept("");
    let (first, second) = (place.said("pwd-1"), place.said("pwd-2"));
    assert_ne!(first, second);
    for (folder, attempt) in [(&first, 1), (&second, 2)] {
        assert!(!std::path::Path::new(folder).exists(), "{folder} is left");
        let group = place.said(&format!("group-{attempt}"));
        assert_eq!(group.trim(), place.said(&format!("pid-{attempt}")));
    }
}

#[test]
fn a_given_folder_is_used_and_kept_and_words_that_name_files_still_do() {
    let place = Place::new();
    std::fs::create_dir(place.path("there")).unwrap();
    place.write("tool.sh", "pwd; echo used > note");
    let _server = place.server();
    let http = place.http();
    let args = "agent run --name ann --cwd there -- sh tool.sh";
    let _agent = place.start("ann", &args.split(' ').collect::<Vec<_>>());
    let id = http.submit(&json!({ "kind": "work" }));
    let task = http.ends(&id, "succeeded");
    let there = place.path("there").canonicalize().unwrap();
    assert_eq!(task["output"], json!({ "text": there.to_str().unwrap() }));
    assert_eq!(place.read("there/note"), "used\n");
}

#[test]
fn a_program_need_not_read_its_stdin() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let _one = place.agent("one", "--lane closes", "exec <&-; sleep 0.1; echo '{}'");
    let _two = place.agent("two", "--lane ignores", "sleep 0.1; echo '{}'");
    // More than a pipe holds.
    let large = "x".repeat(200_000);
    for lane in ["closes", "ignores"] {
        let id = http.submit(&json!({ "kind": "work", "lane": lane, "input": large }));
        assert_eq!(http.ends(&id, "succeeded")["attempt"], 1);
    }
}

#[test]
fn an_agent_whose_command_cannot_be_started_does_not_start_and_fails_no_task() {
    let place = Place::new();
    place.write("plain.sh", "echo '{}'");
    let _server = place.server();
    let http = place.http();
    let id = http.submit(&json!({ "kind": "work" }));
    for (command, words) in [
        ("-- ./nowhere.sh", "no such file"),
        ("-- there-is-no-such-program", "PATH"),
        ("-- ./plain.sh", "chmod +x"),
        ("--cwd nowhere -- sh plain.sh", "no such folder"),
    ] {
        place
            .run(&format!("agent run --name ann {command}"))
            .fails(1, &["command_missing", words]);
    }
    assert_eq!(http.task(&id)["state"], "ready");
    http.get("/api/v1/agents/ann").problem(404);
}

#[test]
fn the_example_of_the_documents_works_as_it_stands() {
    let page = include_str!("../../../../docs/agents.md");
    let (_, example) = page.split_once("```sh\n").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    let place = Place::new();
    place.write("review.sh", example);
    let _server = place.server();
    let http = place.http();
    let words = [
        "agent",
        "run",
        "--name",
        "reviewer",
        "--lane",
        "reviews",
        "--",
        "sh",
        "review.sh",
    ];
    let _agent = place.start("reviewer", &words);
    let request = json!({ "kind": "review", "lane": "reviews", "input": { "pr": 7 } });
    let id = http.submit(&request);
    let task = http.ends(&id, "succeeded");
    assert_eq!(task["output"], json!({ "verdict": "fine" }));
    until("its log", || {
        let words = format!("working on {id}, attempt 1\n");
        (http.log(&id) == words).then_some(())
    });
}

/// What a token may read, as the status of the answer.
fn may(http: &Http, token: &str, path: &str) -> u16 {
    http.with_token(token).get(path).status
}

#[test]
fn a_task_token_reads_its_own_task_and_no_other_and_dies_with_its_epoch() {
    let place = Place::with("[retry.network]\nbase = \"20ms\"");
    place.write(
        "work.sh",
        r#"
        echo "$WARRENER_TASK_TOKEN" > "$WARRENER_AGENT_DIR/token-$WARRENER_ATTEMPT"
        while [ ! -e "$WARRENER_AGENT_DIR/go-$WARRENER_ATTEMPT" ]; do sleep 0.05; done
        [ "$WARRENER_ATTEMPT" -gt 1 ] || exit 75"#,
    );
    place.write("other.sh", "echo '{}'");
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", BY_KIND);
    let id = http.submit(&json!({ "kind": "work", "input": "mine" }));
    let other = http.submit(&json!({ "kind": "other" }));
    let first = place.said("token-1");
    let own = format!("/api/v1/tasks/{id}");
    let read = http.with_token(&first).get(&own);
    assert_eq!(read.status, 200);
    assert_eq!(read.json()["input"], "mine");
    for path in [
        format!("/api/v1/tasks/{other}"),
        format!("/api/v1/tasks/{id}/events"),
        "/api/v1/tasks".into(),
        "/api/v1/agents".into(),
        "/api/v1/books".into(),
        "/api/v1/link".into(),
    ] {
        assert_eq!(may(&http, &first, &path), 403, "{path}");
    }
    for act in ["/api/v1/tasks".into(), format!("{own}/cancel")] {
        let reply = http.with_token(&first).post(&act, &json!({}));
        assert_eq!(reply.problem(403)["code"], "not_allowed", "{act}");
    }
    let forged = first.replace(".1.", ".2.");
    assert_eq!(may(&http, &forged, &own), 401);
    // The next attempt has another one; this one is over.
    place.write("go-1", "");
    let second = place.said("token-2");
    assert_ne!(first, second);
    assert_eq!(may(&http, &first, &own), 401);
    assert_eq!(may(&http, &second, &own), 200);
    place.write("go-2", "");
    http.ends(&id, "succeeded");
    until("the end of the second token", || {
        (may(&http, &second, &own) == 401).then_some(())
    });
}
