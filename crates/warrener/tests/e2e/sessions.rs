//! Sessions: a question put to agents that are processes of their own, what they answer, and what is decided, whoever is
//! silent or killed meanwhile.

use crate::harness::{Place, Process, port, until};
use crate::http::text;
use serde_json::{Value, json};

/// An agent that answers with these fields, once its `go` file is there if it waits for one.
fn collaborator(place: &Place, name: &str, answer: &Value, waits: bool) -> Process {
    let go = match waits {
        true => format!(r#"until [ -e "$WARRENER_AGENT_DIR/{name}.go" ]; do sleep 0.02; done;"#),
        false => String::new(),
    };
    let script = format!(
        r#"cat > "$WARRENER_AGENT_DIR/said/{name}.$WARRENER_SESSION_ID"; {go} echo '{answer}'"#
    );
    place.agent(
        name,
        "--role collaborator --kind advice --capability api=0.8",
        &script,
    )
}

fn team(place: &Place, third_waits: bool) -> Vec<Process> {
    let answers = [
        (
            "ann",
            json!({ "choice": "sqlite", "confidence": 0.9, "rationale": "one file is enough" }),
        ),
        (
            "bob",
            json!({ "choice": "postgres", "confidence": 0.4, "rationale": "we will need two servers" }),
        ),
        (
            "cleo",
            json!({ "choice": "sqlite", "confidence": 0.7, "rationale": "nothing to run" }),
        ),
    ];
    let one = |(name, answer): &(&str, Value)| {
        collaborator(place, name, answer, third_waits && *name == "cleo")
    };
    answers.iter().map(one).collect()
}

const OPEN: [&str; 10] = [
    "session",
    "open",
    "--topic",
    "storage",
    "--question",
    "Which store?",
    "--option",
    "sqlite",
    "--option",
    "postgres",
];

fn open(place: &Place, more: &[&str]) -> Value {
    let words: Vec<&str> = OPEN
        .iter()
        .chain(more)
        .chain(&["-o", "json"])
        .copied()
        .collect();
    place.call(&words).json()
}

#[test]
fn three_collaborators_who_differ_decide_by_majority_and_the_dissent_is_kept() {
    let place = Place::new();
    let _server = place.server();
    let _team = team(&place, false);
    let session = open(&place, &["--required", "cap:api", "--wait"]);
    assert_eq!(session["state"], "decided", "{session:#}");
    assert_eq!(session["decision"], "sqlite");
    assert_eq!(session["participants"], json!(["ann", "bob", "cleo"]));
    assert_eq!(session["missing"], json!([]));
    assert_eq!(session["dissent"][0]["agent"], "bob");
    assert_eq!(
        session["dissent"][0]["rationale"],
        "we will need two servers"
    );
    assert_eq!(session["alternatives"][0]["supporters"], json!(["bob"]));
    assert_eq!(
        session["tally"]["counts"][0]["scores"],
        json!({ "sqlite": 2.0, "postgres": 1.0 })
    );
    assert_eq!(session["rounds"][0]["ended_by"], "answers");
    // What the programs were given, as the contract has it.
    let id = text(&session, "id");
    let invite: Value = serde_json::from_str(&place.read(&format!("said/ann.{id}"))).unwrap();
    assert_eq!(
        (&invite["v"], &invite["phase"], &invite["round"]),
        (&json!(1), &json!("vote"), &json!(1))
    );
    assert_eq!(invite["options"], json!(["sqlite", "postgres"]));
    // It is in the list, and cannot be cancelled any more.
    let list = place.run("session list -f state:decided -o json").json();
    assert_eq!(list["items"][0]["id"], session["id"]);
    place
        .call(&["session", "cancel", &id])
        .fails(5, &["illegal_state", "decided"]);
}

#[test]
fn ideas_are_put_together_and_voted_on_in_a_second_round() {
    let place = Place::new();
    let _server = place.server();
    let _team = [
        ("ann", "cache the results"),
        ("bob", "caching the results"),
        ("cleo", "buy a server"),
    ]
    .map(|(name, text)| {
        let answer = json!({ "suggestion": text, "choice": "cache the results" });
        collaborator(&place, name, &answer, false)
    });
    let words = [
        "session",
        "open",
        "--question",
        "How?",
        "--rounds",
        "2",
        "--wait",
        "-o",
        "json",
    ];
    let session = place.call(&words).json();
    assert_eq!(session["decision"], "cache the results", "{session:#}");
    assert_eq!(
        session["options"],
        json!(["cache the results", "buy a server"])
    );
    assert_eq!(session["contributions"].as_array().unwrap().len(), 6);
    assert!(
        session["themes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|theme| theme["count"] == 2)
    );
}

#[test]
fn a_silent_member_is_waited_for_until_the_deadline_and_no_longer() {
    let place = Place::new();
    let _server = place.server();
    let _team = team(&place, true);
    let session = open(&place, &["--deadline", "2s", "--wait"]);
    // One against one: cleo would have decided it.
    assert_eq!(
        (&session["state"], &session["reason"]),
        (&json!("no_decision"), &json!("tie")),
        "{session:#}"
    );
    assert_eq!(session["missing"], json!(["cleo"]));
    assert_eq!(session["rounds"][0]["ended_by"], "deadline");
    let words: Vec<&str> = OPEN
        .iter()
        .chain(&["--deadline", "500ms", "--quorum", "1", "--wait"])
        .copied()
        .collect();
    place.call(&words).exits(10);
}

#[test]
fn a_session_outlives_a_kill_of_the_server_in_the_middle_of_a_round() {
    let place = Place::new();
    let port = port();
    let server = place.server_on(port);
    let _team = team(&place, true);
    let session = open(&place, &["--deadline", "10m"]);
    let id = text(&session, "id");
    let path = format!("/api/v1/sessions/{id}");
    until("two answers", || {
        let session = place.http().get(&path).json();
        (session["contributions"].as_array()?.len() == 2).then_some(())
    });
    server.kill_9();
    place.write("cleo.go", "");
    let _server = place.server_on(port);
    let session = place
        .call(&["session", "get", &id, "--wait", "-o", "json"])
        .json();
    assert_eq!(session["decision"], "sqlite", "{session:#}");
    let mut who: Vec<String> = session["contributions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(one, "agent"))
        .collect();
    who.sort();
    assert_eq!(who, ["ann", "bob", "cleo"], "each once");
}

#[test]
fn who_is_named_is_asked_when_it_comes_and_mistakes_are_named() {
    let place = Place::new();
    let _server = place.server();
    let session = open(&place, &["--required", "agent:zoe", "--deadline", "10m"]);
    assert_eq!(
        (&session["state"], &session["missing"]),
        (&json!("open"), &json!(["zoe"]))
    );
    let _zoe = place.agent("zoe", "", "echo postgres");
    let id = text(&session, "id");
    let session = place
        .call(&["session", "get", &id, "--wait", "-o", "json"])
        .json();
    assert_eq!(
        session["decision"], "postgres",
        "plain text is a choice: {session:#}"
    );
    place
        .call(&[
            "session",
            "open",
            "--question",
            "?",
            "--option",
            "one",
            "--required",
            "some",
        ])
        .fails(2, &["/options", "/required/0", "cap:NAME"]);
    let open = open(&place, &["--required", "agent:nobody", "--deadline", "10m"]);
    let id = text(&open, "id");
    let done = place
        .call(&["session", "cancel", &id, "--reason", "lunch", "-o", "json"])
        .json();
    assert_eq!(
        (&done["state"], &done["reason"]),
        (&json!("cancelled"), &json!("lunch"))
    );
}

#[test]
fn a_person_answers_in_a_place_of_its_own_once_and_nobody_else_does() {
    let place = Place::new();
    let _server = place.server();
    let session = open(&place, &["--required", "agent:me", "--deadline", "10m"]);
    let id = text(&session, "id");
    let answer = |more: &[&str]| place.call(&[&["session", "answer", &id], more].concat());
    answer(&["--as", "you", "--choice", "sqlite"]).fails(4, &["not_allowed", "not asked"]);
    answer(&["--as", "me", "--choice", "oracle"]).fails(2, &["/choice", "oracle"]);
    answer(&["--as", "me", "--choice", "sqlite", "--round", "2"]).fails(5, &["illegal_state"]);
    answer(&["--as", "NO", "--choice", "sqlite"]).fails(2, &["/agent_id"]);
    answer(&["--as", "me", "--credit", "sqlite"]).fails(2, &["OPTION=N"]);
    let said = [
        "--as",
        "me",
        "--choice",
        "sqlite",
        "--confidence",
        "0.8",
        "-o",
        "json",
    ];
    let done = answer(&said).exits(0).json();
    assert_eq!(
        (&done["state"], &done["decision"]),
        (&json!("decided"), &json!("sqlite"))
    );
    assert_eq!(done["tally"]["refused"]["not_invited"], 1);
    assert_eq!(done["contributions"][0]["agent"], "me");
    // The same again is a lost acknowledgement, anything else comes too late.
    answer(&[&said[..], &["--round", "1"]].concat()).exits(0);
    answer(&["--as", "me", "--choice", "postgres"]).fails(5, &["has ended"]);
}

const ASKED: &str = r#"
name: asked
steps:
  - { id: look, kind: look, input: { found: [sqlite, postgres] } }
  - id: ask
    needs: [look]
    session: { question: "Which store?", options: "{{ steps.look.output }}", required: ["cap:api"], deadline: 1h }
  - { id: build, kind: build, needs: [ask], input: "{{ steps.ask.output.decision }}" }
output: { built: "{{ steps.build.output }}", dissent: "{{ steps.ask.output.dissent }}" }
"#;

#[test]
fn a_step_of_a_workflow_asks_and_goes_on_with_the_decision_after_a_kill_of_the_server() {
    let place = Place::new();
    let port = port();
    let server = place.server_on(port);
    let _team = team(&place, true);
    let _worker = place.agent(
        "worker",
        "",
        r#"IN=$(cat)
        case $IN in
            *'"step":"look"'*) echo '["sqlite","postgres"]' ;;
            *) printf %s "$IN" | sed 's/.*"input":\("[^"]*"\).*/\1/' ;;
        esac"#,
    );
    place.write("asked.yaml", ASKED);
    let id = place.run("workflow run asked.yaml").word();
    let session = until("two answers", || {
        let list = place.http().get("/api/v1/sessions").json();
        let id = list["items"][0]["id"].as_str()?.to_owned();
        let session = place.http().get(&format!("/api/v1/sessions/{id}")).json();
        (session["contributions"].as_array()?.len() == 2).then_some(session)
    });
    assert_eq!(
        (text(&session, "run_id"), text(&session, "step")),
        (id.clone(), "ask".into())
    );
    server.kill_9();
    place.write("cleo.go", "");
    let _server = place.server_on(port);
    let run = until("the end of the run", || {
        let run = place
            .http()
            .get(&format!("/api/v1/runs/{id}?wait=5s"))
            .json();
        (run["state"] != "running").then_some(run)
    });
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(run["output"]["dissent"][0]["agent"], "bob");
    let list = place.http().get("/api/v1/sessions").json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "asked once");
}

#[test]
fn a_task_asks_first_and_starts_once_with_the_decision_after_a_kill_of_the_server() {
    let place = Place::new();
    let port = port();
    let server = place.server_on(port);
    let _team = team(&place, true);
    let _worker = place.agent(
        "worker",
        "--kind build",
        r#"cat | tee -a "$WARRENER_AGENT_DIR/said/built" > /dev/null; echo 1"#,
    );
    let question = json!({
        "question": "Which store?", "options": ["sqlite", "postgres"], "required": ["cap:api"], "deadline_ms": 3_600_000,
    });
    let id = place
        .call(&[
            "task",
            "submit",
            "--kind",
            "build",
            "--input",
            r#"{"module":"ui"}"#,
            "--collaboration",
            &question.to_string(),
        ])
        .word();
    let path = format!("/api/v1/sessions/{id}");
    until("two answers", || {
        let session = place.http().get(&path).json();
        assert_eq!(text(&session, "task_id"), id);
        (session["contributions"].as_array()?.len() == 2).then_some(())
    });
    let task = place.http().task(&id);
    assert_eq!(
        (&task["state"], &task["waiting_for"]),
        (&json!("parked"), &json!("input"))
    );
    server.kill_9();
    place.write("cleo.go", "");
    let _server = place.server_on(port);
    let task = place.http().ends(&id, "succeeded");
    let decision = &task["input"]["decision"];
    assert_eq!(task["input"]["module"], "ui");
    assert_eq!(decision["decision"], "sqlite", "{task:#}");
    assert_eq!(decision["dissent"][0]["agent"], "bob");
    let starts = place.read("said/built").matches(r#""module""#).count();
    assert_eq!(starts, 1);
    place
        .call(&["task", "submit", "--kind", "build", "--collaboration", "{}"])
        .fails(2, &["/collaboration/question", "is missing"]);
}
