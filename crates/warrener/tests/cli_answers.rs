//! The binary from outside, against answers written down here: output forms, exit codes, and what happens when a server
//! is slow, refuses, restarts, or is none. What a real server does is tested elsewhere.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;

#[path = "cli/place.rs"]
mod place;
#[path = "cli/script.rs"]
mod script;
use place::{ID, Place, Ran};
use script::{Script, read};

fn problem(code: &str, status: u16) -> String {
    format!(
        r#"{{"code":"{code}","status":{status},"title":"t","detail":"it says {code}","hint":"h"}}"#
    )
}

/// A task in this state, with some of its fields over several lines, as a handler may have written them.
fn task(state: &str, is_final: bool) -> String {
    format!(
        r#"{{"id":"{ID}","kind":"review","lane":"default","priority":"normal","title":"two\nlines","description":"",
        "state":"{state}","final":{is_final},"waiting_for":null,"waiting_since":null,"attempt":1,"epoch":1,
        "max_attempts":25,"agent":null,"input":{{ "a" : 1.50 }},"output":{{ "z" : 1.0,
        "a" : "x y" }},"error":{{"class":"network","message":"no\nway","detail":null,"fingerprint":"f"}},
        "dead_reason":null,"labels":{{"batch":"42"}},"run_id":null,"step":null,"parent_id":null,
        "created_at":"2026-11-22T08:00:00.123Z","not_before":null,"ready_at":null,"started_at":null,
        "finished_at":null,"retry_at":null,"deadline":null,"timeout_ms":null,"progress":null,"usage":null,
        "replays":0,"version":3,"of_a_later_version":true}}"#
    )
}

#[test]
fn what_the_server_says_becomes_the_exit_code() {
    let place = Place::new("exit-codes");
    for (code, status, exit) in [
        ("bad_request", 400, 2),
        ("invalid", 422, 2),
        ("unauthenticated", 401, 4),
        ("not_allowed", 403, 4),
        ("not_found", 404, 3),
        ("illegal_state", 409, 5),
        ("idempotency_conflict", 409, 5),
        ("overloaded", 503, 1),
        ("unavailable", 503, 7),
        ("internal", 500, 1),
        ("of_a_later_server", 404, 3),
    ] {
        let said = format!("it says {code}");
        let script = Script::one(status, problem(code, status));
        script
            .run(&place, &format!("task cancel {ID}"))
            .failed(exit, &[&said, "help: h"]);
        let script = Script::one(status, problem(code, status));
        let ran = script.run(&place, &format!("task cancel {ID} -o json"));
        ran.failed(exit, &[]);
        assert_eq!(ran.problem()["code"], code);
    }
}

#[test]
fn something_else_that_answers_is_not_a_server() {
    let place = Place::new("strange");
    for (status, body) in [(404, "<html>not here</html>"), (200, "hello"), (500, "")] {
        let script = Script::one(status, body);
        script
            .run(&place, &format!("task get {ID}"))
            .failed(7, &["not as Warrener does"]);
    }
    let script = Script::new(vec![None]);
    script
        .run(&place, &format!("task get {ID}"))
        .failed(7, &["no server answers"]);
}

#[test]
fn a_result_is_printed_as_it_came_and_alone() {
    let place = Place::new("result");
    let ran = Script::one(200, task("succeeded", true)).run(&place, &format!("task result {ID}"));
    assert_eq!(ran.fine(), "{\"z\":1.0,\"a\":\"x y\"}\n");
    for (state, is_final, exit) in [
        ("failed", true, 10),
        ("cancelled", true, 11),
        ("dead", true, 12),
        ("expired", true, 12),
        ("levitated", true, 10),
        ("running", false, 5),
    ] {
        let ran = Script::one(200, task(state, is_final)).run(&place, &format!("task result {ID}"));
        ran.failed(exit, &[&format!("it is {state}")]);
    }
}

#[test]
fn an_object_has_four_forms() {
    let place = Place::new("forms");
    let get = |flags: &str| {
        let script = Script::one(200, task("succeeded", true));
        script
            .run(&place, &format!("task get {ID} {flags}"))
            .fine()
            .to_owned()
    };
    let table = get("");
    assert!(table.contains("title          two lines\n"), "{table}");
    assert!(
        !table.contains("  null") && !table.contains('\x1b'),
        "{table}"
    );
    for flags in ["-o json", "-o jsonl"] {
        let text = get(flags);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains(r#""input":{"a":1.50},"output":{"z":1.0,"a":"x y"}"#),
            "{text}"
        );
    }
    let fields = get("-o json --fields version,labels.batch,error.class,input");
    assert_eq!(
        fields,
        "{\"version\":3,\"labels.batch\":\"42\",\"error.class\":\"network\",\"input\":{\"a\":1.50}}\n"
    );
    assert_eq!(
        get("--fields state,id"),
        format!("STATE      ID\nsucceeded  {ID}\n")
    );
    assert_eq!(get("-q"), format!("{ID}\n"));
}

#[test]
fn a_list_says_where_it_goes_on_and_all_reads_every_page() {
    let place = Place::new("lists");
    let page = |next: &str| {
        let task = task("ready", false);
        Some((200, format!(r#"{{"items":[{task},{task}],"next":{next}}}"#)))
    };
    let script = Script::new(vec![page("\"c-2\"")]);
    let ran = script.run(
        &place,
        "task list -f state:open --sort -created_at --limit 2",
    );
    assert_eq!(
        (ran.exit, ran.out.lines().count()),
        (Some(0), 3),
        "{}",
        ran.out
    );
    assert!(ran.err.contains("--cursor c-2"), "{}", ran.err);
    let asked = script.asked().line;
    assert_eq!(
        asked,
        "GET /api/v1/tasks?filter=state%3Aopen&sort=-created_at&limit=2 HTTP/1.1"
    );
    let script = Script::new(vec![page("\"c-2\"")]);
    let ran = script.run(&place, "task list -o json");
    assert!(
        ran.fine().starts_with("{\"items\":[{\"id\":")
            && ran.out.ends_with("],\"next\":\"c-2\"}\n")
    );
    let script = Script::new(vec![page("\"c-2\""), page("null")]);
    let ran = script.run(&place, "task list --all -q --fields id,input");
    assert_eq!(ran.fine().lines().count(), 4);
    assert!(script.asked().line.contains("fields=input"));
    assert!(script.asked().line.contains("cursor=c-2"));
    let script = Script::one(200, r#"{"items":[],"next":null}"#);
    let ran = script.run(&place, "task list");
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", "no tasks\n"));
}

#[test]
fn a_wait_prints_each_end_and_exits_with_the_worst() {
    let place = Place::new("wait");
    let ends = |states: &[&str], any: &str| {
        let done: Vec<String> = states.iter().map(|state| task(state, true)).collect();
        let answer = format!(r#"{{"done":[{}],"pending":[]}}"#, done.join(","));
        Script::one(200, answer).run(&place, &format!("task wait {ID} {any}"))
    };
    assert_eq!(ends(&["succeeded"], "-q").fine(), format!("{ID}\n"));
    for (states, exit) in [
        (vec!["cancelled", "succeeded"], 11),
        (vec!["failed", "cancelled"], 10),
        (vec!["expired", "failed", "cancelled"], 12),
    ] {
        let ran = ends(&states, "");
        assert_eq!(
            (ran.exit, ran.out.lines().count()),
            (Some(exit), states.len() + 1),
            "{}",
            ran.out
        );
    }
    let pending = format!(r#"{{"done":[],"pending":["{ID}"]}}"#);
    let script = Script::new(std::iter::repeat_with(move || Some((200, pending.clone()))));
    let ran = script.run(&place, &format!("task wait {ID} --timeout 200ms -o json"));
    ran.failed(124, &["wait_timeout"]);
    let body: serde_json::Value = serde_json::from_str(&script.asked().body).expect("JSON");
    assert_eq!((&body["ids"][0], &body["any"]), (&ID.into(), &true.into()));
    assert!(
        body["wait_ms"].as_u64().is_some_and(|ms| ms <= 200),
        "{body}"
    );
}

#[test]
fn a_wait_goes_on_over_a_restart_of_the_server() {
    let place = Place::new("restart");
    let pending = format!(r#"{{"done":[],"pending":["{ID}"]}}"#);
    let done = format!(r#"{{"done":[{}],"pending":[]}}"#, task("succeeded", true));
    let away = Some((503, problem("draining", 503)));
    let script = Script::new(vec![Some((200, pending)), None, away, Some((200, done))]);
    let ran = script.run(&place, &format!("task wait {ID} -q"));
    assert_eq!(ran.fine(), format!("{ID}\n"));
}

#[test]
fn a_submission_is_what_was_typed_and_prints_the_id() {
    let place = Place::new("submit")
        .with("in.json", "{ \"pr\" : 42 }\n")
        .with("batch", "{\"kind\":\"a\"}\n{\"kind\":\"b\"}\n");
    let script = Script::one(201, task("ready", false));
    let ran = script.run(&place, "task submit --kind review --lane bulk --priority high --input @in.json --delay 5s --deadline 2h --timeout 3m --max-attempts 2 --label batch=42 --idempotency-key k1");
    assert_eq!(ran.fine(), format!("{ID}\n"));
    let asked = script.asked();
    assert_eq!(asked.line, "POST /api/v1/tasks HTTP/1.1");
    assert!(asked.headers.contains("idempotency-key: k1"));
    let wanted = r#"{"kind":"review","lane":"bulk","input":{ "pr" : 42 },"priority":"high","delay_ms":5000,"deadline_ms":7200000,"timeout_ms":180000,"max_attempts":2,"labels":{"batch":"42"}}"#;
    assert_eq!(asked.body, wanted);
    let script = Script::one(200, task("ready", false));
    let ran = script.run(&place, "task submit --kind review");
    assert_eq!((ran.out, ran.exit), (format!("{ID}\n"), Some(0)));
    assert!(ran.err.contains("was accepted before"), "{}", ran.err);
    let items = format!(r#"{{"items":[{{"index":0,"id":"{ID}","duplicate":false}}]}}"#);
    let script = Script::one(201, items);
    assert_eq!(
        script.run(&place, "task submit --batch batch").fine(),
        format!("{ID}\n")
    );
    let asked = script.asked();
    assert!(asked.headers.contains("content-type: application/x-ndjson"));
    assert_eq!(asked.body, "{\"kind\":\"a\"}\n{\"kind\":\"b\"}\n");
}

#[test]
fn the_token_of_the_folder_goes_to_this_machine() {
    let place = Place::new("token");
    fs::create_dir_all(place.dir.join(".warrener")).expect("a folder");
    fs::write(place.dir.join(".warrener/token"), "t0ken\n").expect("a file");
    let script = Script::one(200, task("ready", false));
    script.run(&place, &format!("task get {ID}")).fine();
    assert!(
        script
            .asked()
            .headers
            .contains("authorization: bearer t0ken")
    );
    let script = Script::one(200, task("ready", false));
    let line = format!("task get {ID} --server {}", script.url);
    let output = place
        .command(&line)
        .env("WARRENER_TOKEN", "other")
        .output()
        .expect("runs");
    Ran::of(&output).fine();
    assert!(
        script
            .asked()
            .headers
            .contains("authorization: bearer other")
    );
}

#[test]
fn a_slow_server_is_a_timeout_and_an_interrupt_is_130() {
    let place = Place::new("slow");
    // Nobody accepts: the connection stands, and nothing is ever answered.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!(
        "http://{}",
        listener.local_addr().expect("it has an address")
    );
    place
        .run(&format!("task get {ID} --timeout 200ms --server {url}"))
        .failed(124, &["wait_timeout"]);
    let child = place
        .command(&format!("task wait {ID} -o json --server {url}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // Once it asks, it listens for the interrupt: the first connection is that of the run above.
    for _ in 0..2 {
        let (stream, _) = listener.accept().expect("it connects");
        read(&stream);
        std::mem::forget(stream);
    }
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a process"), rustix::process::Signal::INT)
        .expect("it is there");
    let ran = Ran::of(&child.wait_with_output().expect("it ends"));
    ran.failed(130, &[]);
    assert_eq!(ran.problem()["code"], "interrupted");
}

#[test]
fn a_log_is_followed_to_its_end() {
    let place = Place::new("follow");
    let piece = |n: u64, text: &str| {
        format!(
            r#"{{"n":{n},"attempt":1,"at":"2026-11-22T08:00:00.000Z","stream":"stderr","text":"{text}"}}"#
        )
    };
    let stream = format!(
        ": hello\n\nevent: log\nid: 1\ndata: {}\n\nevent: log\nid: 2\ndata: {}\n\nevent: end\ndata: {{}}\n\nevent: log\ndata: x\n\n",
        piece(1, "one\\ntw"),
        piece(2, "o\\n")
    );
    let script = Script::one(200, stream.clone());
    assert_eq!(
        script
            .run(&place, &format!("task logs -F {ID} --attempt 1"))
            .fine(),
        "one\ntwo\n"
    );
    assert!(script.asked().line.contains("logs?attempt=1&follow=true "));
    let ran = Script::one(200, stream).run(
        &place,
        &format!("task logs -F {ID} --fields n,text -o jsonl"),
    );
    assert_eq!(
        ran.fine(),
        "{\"n\":1,\"text\":\"one\\ntw\"}\n{\"n\":2,\"text\":\"o\\n\"}\n"
    );
}
