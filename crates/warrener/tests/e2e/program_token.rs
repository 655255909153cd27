//! What a program is told of its task, and what it may do with its token: over HTTP, and with the command line, which
//! finds both in its environment.

use crate::harness::{Place, until};
use crate::http::{Http, text};
use serde_json::{Value, json};

/// Tasks of kind `lead` may open children.
const MAY: &str = "[kind.lead]\nmay_spawn = true\n";

/// Writes its token down, and goes on when it is told to.
const WAITS: &str = r#"
    echo "$WARRENER_TASK_TOKEN" > "$WARRENER_AGENT_DIR/token-$WARRENER_ATTEMPT"
    while [ ! -e "$WARRENER_AGENT_DIR/go" ]; do sleep 0.05; done"#;

/// A program that speaks with `$warrener`, the binary under test.
fn with_binary(script: &str) -> String {
    format!("warrener='{}'\n{script}", env!("CARGO_BIN_EXE_warrener"))
}

/// A running task of this kind whose program waits, and HTTP with its token.
fn running(place: &Place, kind: &str) -> (String, Http) {
    let http = place.http();
    let id = http.submit(&json!({ "kind": kind }));
    let token = place.said("token-1");
    (id, http.with_token(&token))
}

#[test]
fn the_task_on_stdin_is_the_one_that_http_shows_field_by_field() {
    let place = Place::with("[retry.network]\nbase = \"20ms\"");
    let _server = place.server();
    let http = place.http();
    let script = r#"
        cat > "$WARRENER_AGENT_DIR/stdin-$WARRENER_ATTEMPT"
        case "$WARRENER_ATTEMPT" in
        1)  echo '{"progress":{"fraction":0.5,"message":"half"}}' >&3
            echo '{"error":{"class":"network","message":"no route"}}' >&3
            exit 1;;
        2)  echo "wrong input" >&2; exit 65;;
        esac
        echo >> "$WARRENER_AGENT_DIR/stdin-$WARRENER_ATTEMPT"
        while [ ! -e "$WARRENER_AGENT_DIR/go" ]; do sleep 0.05; done
        cat "$WARRENER_AGENT_DIR/stdin-$WARRENER_ATTEMPT""#;
    let _agent = place.agent("ann", "", script);
    let parent = http.submit(&json!({ "kind": "other", "lane": "nobody" }));
    let request = json!({
        "kind": "work.fine", "title": "a title", "description": "a brief", "priority": "high",
        "input": { "n": 1.50, "deep": [null, "ü"] }, "labels": { "team": "a" }, "timeout_ms": 60_000,
        "deadline_ms": 3_600_000, "max_attempts": 7, "delay_ms": 30, "parent_id": parent,
    });
    let id = http.submit(&request);
    http.ends(&id, "dead");
    let retried = http.post(&format!("/api/v1/tasks/{id}/retry"), &json!({}));
    assert_eq!(retried.status, 200, "{retried:?}");
    let stdin: Value = serde_json::from_str(&place.said("stdin-3")).unwrap();
    let task = http.task(&id);
    assert_eq!(task["state"], "running");
    for (field, value) in task.as_object().unwrap() {
        assert_eq!(&stdin[field], value, "{field}");
    }
    assert_eq!(stdin, task, "and nothing else");
    for field in [
        "not_before",
        "ready_at",
        "started_at",
        "waiting_since",
        "parent_id",
        "error",
        "version",
    ] {
        assert!(!stdin[field].is_null(), "{field}: {stdin}");
    }
    assert_eq!(
        (&stdin["attempt"], &stdin["replays"]),
        (&json!(3), &json!(1))
    );
    place.write("go", "");
    let task = http.ends(&id, "succeeded");
    assert_eq!(task["output"], stdin, "it printed what it got");
}

#[test]
fn numbers_of_the_input_keep_their_digits_on_stdin() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", "cat > \"$WARRENER_AGENT_DIR/stdin\"");
    let input = r#"{"large":123456789012345678901234567890,"exact":1.50}"#;
    let body = format!(r#"{{"kind":"work","input":{input}}}"#);
    let sent = http.send("/api/v1/tasks", "application/json", body.as_bytes());
    http.ends(&text(&sent.json(), "id"), "succeeded");
    let stdin = place.read("stdin");
    assert!(stdin.contains(input), "{stdin}");
}

#[test]
fn a_program_writes_progress_and_log_over_http_in_order_with_what_it_streams() {
    let place = Place::new();
    let script = format!("echo one >&2\n{WAITS}\necho three >&2");
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", &script);
    let (id, own) = running(&place, "work");
    let at = |what: &str| format!("/api/v1/tasks/{id}/{what}");
    until("the first line", || {
        (http.log(&id) == "one\n").then_some(())
    });
    let said = own.send(&at("logs"), "text/plain", b"two, as text\n");
    assert_eq!(said.status, 204, "{said:?}");
    let said = own.post(
        &at("logs"),
        &json!({ "text": "two, as JSON\n", "stream": "model" }),
    );
    assert_eq!(said.status, 204, "{said:?}");
    let said = own.post(&at("progress"), &json!({ "fraction": 0.4, "message": "m" }));
    assert_eq!(said.status, 204, "{said:?}");
    assert_eq!(
        http.task(&id)["progress"],
        json!({ "fraction": 0.4, "message": "m" })
    );
    place.write("go", "");
    http.ends(&id, "succeeded");
    let wanted = "one\ntwo, as text\ntwo, as JSON\nthree\n";
    until("the whole log", || (http.log(&id) == wanted).then_some(()));
    // The end of the run is the end of its token.
    let late = own.post(&at("logs"), &json!({ "text": "late" }));
    let detail = text(&late.problem(401), "detail");
    assert!(detail.contains("it is succeeded"), "{detail}");
}

#[test]
fn a_program_opens_children_with_the_command_line_and_with_plain_http() {
    let place = Place::with(MAY);
    // The folder that it works in is the operator's, with his token: the program's own counts.
    let lead = r#"
        "$warrener" task get "$WARRENER_TASK_ID" -o json > self.json || exit 1
        "$warrener" task submit --lane parts --kind child --input '{"n":1}' --wait -o json > child.json || exit 2
        key="$WARRENER_IDEMPOTENCY_KEY-part-2"
        "$warrener" task submit --lane parts --kind child --idempotency-key "$key" > first.txt || exit 3
        "$warrener" task submit --lane parts --kind child --idempotency-key "$key" > again.txt || exit 4
        printf '{"kind":"child","lane":"parts"}\n{"kind":"child","lane":"parts"}\n' | "$warrener" task submit --batch - -q > batch.txt || exit 5
        "$warrener" task wait $(cat batch.txt) > /dev/null || exit 6
        "$warrener" task list > list.txt 2> list.err
        echo $? > list.code"#;
    let lead = format!("{}\n{WAITS}", with_binary(lead));
    let _server = place.server();
    let http = place.http();
    let _lead = place.agent("ann", "--cwd .", &lead);
    let _parts = place.agent("ben", "--lane parts", "echo '{\"done\":true}'");
    let (id, own) = running(&place, "lead");
    let own_task: Value = serde_json::from_str(&place.read("self.json")).unwrap();
    assert_eq!(own_task["id"], id.as_str());
    let child: Value = serde_json::from_str(&place.read("child.json")).unwrap();
    assert_eq!(child["parent_id"], id.as_str());
    assert_eq!(child["output"], json!({ "done": true }));
    assert_eq!(place.said("first.txt"), place.said("again.txt"));
    assert_eq!(place.lines("batch.txt").len(), 2);
    assert_eq!(place.said("list.code"), "4", "{}", place.read("list.err"));
    assert_eq!(place.read("list.txt"), "");
    let plain = own.post(
        "/api/v1/tasks",
        &json!({ "kind": "child", "lane": "parts", "input": "http" }),
    );
    assert_eq!(plain.status, 201, "{plain:?}");
    assert_eq!(plain.json()["parent_id"], id.as_str());
    let found = place.run(&format!("task list -f parent:{id} -q")).out;
    assert_eq!(found.lines().count(), 5, "{found}");
    let foreign = own.post(
        "/api/v1/tasks",
        &json!({ "kind": "child", "parent_id": child["id"] }),
    );
    assert_eq!(foreign.problem(422)["errors"][0]["pointer"], "/parent_id");
    place.write("go", "");
    http.ends(&id, "succeeded");
    http.settled();
}

#[test]
fn a_kind_that_may_not_spawn_hears_which_setting_would_let_it() {
    let place = Place::with(MAY);
    let script = r#"
        "$warrener" task submit --kind child 2> "$WARRENER_AGENT_DIR/refused"
        echo "{\"code\":$?}""#;
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", &with_binary(script));
    let id = http.submit(&json!({ "kind": "work.alone" }));
    assert_eq!(http.ends(&id, "succeeded")["output"], json!({ "code": 4 }));
    let words = place.read("refused");
    assert!(words.contains("may not open children"), "{words}");
    let setting = "may_spawn = true under [kind.\"work.alone\"]";
    assert!(words.contains(setting), "{words}");
    assert_eq!(http.books()["accepted"], 1);
    let shown = place.run("config show --origin").out;
    let line = shown.lines().find(|line| line.contains("may_spawn"));
    let line = line.unwrap_or_else(|| panic!("{shown}"));
    assert!(
        line.contains("kind.lead.may_spawn") && line.contains("true"),
        "{line}"
    );
}

#[test]
fn the_cancel_of_a_parent_ends_its_token_and_leaves_its_children() {
    let place = Place::with(MAY);
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", WAITS);
    let (id, own) = running(&place, "lead");
    let request = json!({ "kind": "child", "lane": "later" });
    let child = own.submit(&request);
    let cancelled = http.post(&format!("/api/v1/tasks/{id}/cancel"), &json!({}));
    assert_eq!(cancelled.json()["state"], "cancelled");
    let detail = text(&own.post("/api/v1/tasks", &request).problem(401), "detail");
    assert!(detail.contains("it is cancelled"), "{detail}");
    assert_eq!(http.task(&child)["state"], "ready");
    // As the documents say, its open children are found by their parent.
    let open = place.run(&format!("task list -q -f parent:{id}")).out;
    assert_eq!(open.trim(), child);
    place.run(&format!("task cancel {child}"));
    assert_eq!(http.task(&child)["state"], "cancelled");
}

#[test]
fn the_documents_way_to_end_the_children_of_a_parent_works_as_it_stands() {
    let place = Place::with(MAY);
    let page = include_str!("../../../../docs/agents.md");
    let (_, line) = page.split_once("cancel them: `").expect("the line");
    let (line, _) = line.split_once('`').expect("its end");
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", WAITS);
    let (id, own) = running(&place, "lead");
    let child = || own.submit(&json!({ "kind": "child", "lane": "later" }));
    let children = [child(), child()];
    let line = line.replace("PARENT", &id);
    let line = line.replace(
        "warrener task",
        &format!("{} task", env!("CARGO_BIN_EXE_warrener")),
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &line]);
    place.dress(&mut shell);
    let ended = shell.output().unwrap();
    assert!(ended.status.success(), "{line}: {ended:?}");
    for child in children {
        assert_eq!(http.task(&child)["state"], "cancelled");
    }
    assert_eq!(
        http.task(&id)["state"],
        "running",
        "it is not its own child"
    );
}
