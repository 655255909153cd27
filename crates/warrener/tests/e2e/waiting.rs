//! Exit codes of everything that waits: `task wait`, `submit --wait`, `task result`; and the forms of output.

use crate::harness::{BY_KIND, Place, Process, until};
use serde_json::{Value, json};

/// A place with a server and an agent that ends tasks as their kind says.
fn stage() -> (Place, Process, Process) {
    let place = Place::with("[retry.network]\nretries = 0");
    place.write("fine.sh", "echo '{\"fine\":true}'");
    place.write("fails.sh", "echo 'no way' >&2; exit 1");
    place.write("dies.sh", "exit 77");
    place.write("hangs.sh", "exec sleep 7777");
    let server = place.server();
    let agent = place.agent("ann", "--concurrency 4", BY_KIND);
    (place, server, agent)
}

fn submit(place: &Place, kind: &str) -> String {
    place.run(&format!("task submit --kind {kind}")).word()
}

fn cancelled(place: &Place) -> String {
    let id = place.run("task submit --kind fine --lane nobody").word();
    place.call(&["task", "cancel", &id]).exits(0);
    id
}

fn expired(place: &Place) -> String {
    let id = place
        .run("task submit --kind fine --lane nobody --deadline 50ms")
        .word();
    place.http().ends(&id, "expired");
    id
}

#[test]
fn the_exit_code_of_a_wait_is_the_end_of_the_task() {
    let (place, _server, _agent) = stage();
    let ends = [
        (submit(&place, "fine"), 0, "succeeded"),
        (submit(&place, "fails"), 10, "failed"),
        (cancelled(&place), 11, "cancelled"),
        (submit(&place, "dies"), 12, "dead"),
        (expired(&place), 12, "expired"),
    ];
    for (id, code, state) in &ends {
        let ran = place.call(&["task", "wait", id, "-o", "json"]).exits(*code);
        let item = ran.json()["items"][0].clone();
        assert_eq!((&item["id"], &item["state"]), (&json!(id), &json!(state)));
        let wait = ["task", "wait", id, "-o", "jsonl", "--fields", "state"];
        let line = place.call(&wait).exits(*code).out;
        assert_eq!(line, format!("{{\"state\":\"{state}\"}}\n"));
        assert_eq!(
            place.call(&["task", "wait", id, "-q"]).exits(*code).out,
            format!("{id}\n")
        );
    }
    // The highest of dead or expired, failed, cancelled.
    let all: Vec<&str> = ends.iter().map(|(id, ..)| id.as_str()).collect();
    let wait = |ids: &[&str]| place.call(&[&["task", "wait"], ids].concat()).exit;
    assert_eq!(wait(&all), Some(12));
    assert_eq!(wait(&all[..3]), Some(10));
    assert_eq!(wait(&[all[0], all[2]]), Some(11));
    assert_eq!(wait(&[all[2], all[1], all[0]]), Some(10));
    let ran = place.feed("task wait - -q", &all.join("\n")).exits(12);
    let mut printed: Vec<&str> = ran.out.lines().collect();
    let mut wanted = all.clone();
    printed.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(printed, wanted, "each once");
}

#[test]
fn submit_with_wait_prints_the_end_and_exits_with_it() {
    let (place, _server, _agent) = stage();
    let ran = place.run("task submit --kind fine --wait -o json").exits(0);
    let task = ran.json();
    assert_eq!(task["state"], "succeeded");
    assert_eq!(task["output"], json!({ "fine": true }));
    assert_eq!(task["agent"], "ann", "the one that did it");
    let ran = place
        .run("task submit --kind fails --wait -o json")
        .exits(10);
    assert_eq!(ran.json()["error"]["message"], "no way");
    assert!(ran.err.contains("no way"), "{ran:?}");
    place.run("task submit --kind dies --wait -q").exits(12);
    place
        .run("task submit --kind fine --lane nobody --deadline 100ms --wait")
        .exits(12);
    place.write("two.jsonl", "{\"kind\":\"fine\"}\n{\"kind\":\"fails\"}\n");
    let ran = place
        .run("task submit --batch two.jsonl --wait -o json")
        .exits(10);
    assert_eq!(ran.json()["items"].as_array().unwrap().len(), 2);
}

#[test]
fn a_wait_that_takes_too_long_or_is_interrupted_says_so_and_the_task_goes_on() {
    let (place, _server, _agent) = stage();
    let id = submit(&place, "hangs");
    place.http().until_state(&id, "running");
    for line in [
        format!("task wait {id} --timeout 300ms"),
        format!("task result {id} --wait --timeout 300ms"),
        "--timeout 300ms task submit --kind hangs --wait".into(),
    ] {
        let ran = place.run(&line).exits(124);
        assert!(ran.err.contains("wait_timeout"), "{line}: {ran:?}");
    }
    let mut waiting = place.start("wait", &["task", "wait", "-v", &id]);
    until("the wait", || {
        waiting.err().contains("server:").then_some(())
    });
    waiting.signal(rustix::process::Signal::INT);
    assert_eq!(waiting.ends(), Some(130), "{}", waiting.err());
    assert_eq!(place.http().task(&id)["state"], "running");
    // One of two is enough for --any; the other one is not waited for.
    let fine = submit(&place, "fine");
    let ran = place
        .call(&["task", "wait", "--any", "-q", &id, &fine])
        .exits(0);
    assert_eq!(ran.out, format!("{fine}\n"));
    let fails = submit(&place, "fails");
    place
        .call(&["task", "wait", "--any", &id, &fails])
        .exits(10);
}

#[test]
fn a_result_is_the_output_and_nothing_else_or_an_exit_code_that_says_why_not() {
    let (place, _server, _agent) = stage();
    let fine = submit(&place, "fine");
    let out = place.call(&["task", "result", &fine, "--wait"]).fine();
    assert_eq!(
        serde_json::from_str::<Value>(&out).unwrap(),
        json!({ "fine": true })
    );
    let fails = submit(&place, "fails");
    place
        .call(&["task", "result", &fails, "--wait"])
        .fails(10, &["no way", "task retry", "task logs"]);
    place
        .call(&["task", "result", &cancelled(&place)])
        .fails(11, &["cancelled"]);
    let dies = submit(&place, "dies");
    place
        .call(&["task", "result", &dies, "--wait"])
        .fails(12, &["dead"]);
    place
        .call(&["task", "result", &expired(&place)])
        .fails(12, &["expired"]);
    let hangs = submit(&place, "hangs");
    place
        .call(&["task", "result", &hangs])
        .fails(5, &["no result yet", "--wait"]);
}

#[test]
fn what_is_not_there_or_not_right_has_an_exit_code_and_says_what_to_do() {
    let (place, _server, _agent) = stage();
    let nobody = "01931b66-7d50-7c8a-b7a5-64d2f14f8c11";
    for verb in ["get", "events", "logs", "result", "cancel", "wait"] {
        place.call(&["task", verb, nobody]).fails(3, &["not_found"]);
    }
    place.run("agent get zed").fails(3, &["zed"]);
    place.run("task get seven").fails(2, &["seven"]);
    place
        .run("task submit --kind fine --priority hi")
        .fails(2, &["high"]);
    place.run("task list -f stat:dead").fails(2, &["state"]);
    place.run("task list --fields sate").fails(2, &["state"]);
    let fine = submit(&place, "fine");
    place.call(&["task", "wait", &fine]).exits(0);
    place
        .call(&["task", "retry", &fine])
        .fails(5, &["succeeded"]);
    // Nobody asked for a yes, a no or an answer.
    let waits = place.run("task submit --kind fine --lane nobody").word();
    for act in ["approve", "reject", "answer --input 1"] {
        place
            .run(&format!("task {} {waits}", act))
            .fails(5, &["not_waiting"]);
    }
    // A problem is one JSON object where JSON is asked for.
    let ran = place.call(&["task", "get", nobody, "-o", "json"]).exits(3);
    let problem: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(problem["code"], "not_found");
    // And a wrong token is not allowed.
    let mut command = place.command(&["task", "list"]);
    let ran = crate::harness::Ran::of(command.env("WARRENER_TOKEN", "wrong").output().unwrap());
    ran.fails(4, &["unauthenticated"]);
}

#[test]
fn the_same_key_is_accepted_once_and_for_another_request_a_conflict() {
    let (place, _server, _agent) = stage();
    let submit = |kind: &str| {
        place.run(&format!(
            "task submit --kind {kind} --lane nobody --idempotency-key k1"
        ))
    };
    let id = submit("fine").word();
    let again = submit("fine").exits(0);
    assert_eq!(again.out.trim(), id);
    assert!(again.err.contains("accepted before"), "{again:?}");
    submit("fails").fails(5, &["idempotency_conflict", &id]);
    assert_eq!(place.http().books()["accepted"], 1);
}

#[test]
fn lists_have_pages_and_every_form_of_output_names_the_same_tasks() {
    let (place, _server, _agent) = stage();
    let lines: String = (0..25)
        .map(|n| format!("{{\"kind\":\"fine\",\"lane\":\"nobody\",\"title\":\"t{n}\"}}\n"))
        .collect();
    let ran = place.feed("task submit --batch - -q", &lines).exits(0);
    let mut wanted: Vec<String> = ran.out.lines().map(Into::into).collect();
    wanted.sort();
    let mut found = vec![];
    let mut cursor = String::new();
    loop {
        let page = place
            .run(&format!("task list --limit 10 -o json {cursor}"))
            .exits(0)
            .json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 10);
        found.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("--cursor {next}"),
            None => break,
        }
    }
    found.sort();
    assert_eq!(found, wanted);
    for form in [
        "-q",
        "-o jsonl --fields id",
        "--fields id --limit 1000",
        "-o json --fields id",
    ] {
        let out = place.run(&format!("task list --all {form}")).fine();
        for id in &wanted {
            assert_eq!(out.matches(id.as_str()).count(), 1, "{form}: {out}");
        }
    }
    let first = place.run("task list --limit 10").exits(0);
    assert!(first.err.contains("--cursor"), "{}", first.err);
    assert!(
        !first.out.contains('\u{1b}'),
        "no colour without a terminal"
    );
}
