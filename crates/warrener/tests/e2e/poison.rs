//! What nobody can read, and programs that always crash: refused once, counted, and no reason to stop.

use crate::harness::{BY_KIND, Place, until};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Any path of the link's frames.
const RESULTS: &str = "inbox/results";

#[test]
fn scenario_m_a_garbage_body_is_refused_once_and_the_server_goes_on() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let deep = "[".repeat(100) + &"]".repeat(100);
    let bodies: [(&str, Vec<u8>); 9] = [
        ("", vec![]),
        ("not JSON", b"{{{".to_vec()),
        ("not UTF-8", vec![0xff, 0xfe, 0x00, 0x80]),
        ("not an object", b"[1,2,3]".to_vec()),
        ("cut", b"{\"kind\":\"wo".to_vec()),
        ("the wrong type", b"{\"kind\":7}".to_vec()),
        (
            "an unknown field",
            b"{\"kind\":\"work\",\"knid\":1}".to_vec(),
        ),
        ("no kind", b"{}".to_vec()),
        (
            "too deep",
            format!("{{\"kind\":\"work\",\"input\":{deep}}}").into_bytes(),
        ),
    ];
    for (what, body) in &bodies {
        for path in ["/api/v1/tasks", "/api/v1/tasks/batch"] {
            let reply = http.send(path, "application/json", body);
            assert!(matches!(reply.status, 400 | 422), "{what}: {reply:?}");
            reply.problem(reply.status);
        }
    }
    // Not even HTTP.
    let address = text_of(&place, "url").replace("http://", "");
    for noise in [&b"\x16\x03\x01\x02\x00"[..], b"GET\r\n\r\n", &[0; 4096]] {
        let mut stream = TcpStream::connect(&address).unwrap();
        // It may be answered or cut, also before all of it is sent.
        let _ = stream.write_all(noise);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut vec![]);
    }
    assert_eq!(http.books()["accepted"], 0);
    let _agent = place.agent("ann", "", "echo '{}'");
    let id = http.submit(&json!({ "kind": "work" }));
    http.ends(&id, "succeeded");
}

fn text_of(place: &Place, field: &str) -> String {
    let found: Value = serde_json::from_str(&place.read(".warrener/server.json")).unwrap();
    found[field].as_str().unwrap().to_owned()
}

#[test]
fn scenario_m_garbage_frames_end_their_link_with_a_reason_and_no_other() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", "echo '{}'");
    let too_large = vec![b' '; 2 * 1024 * 1024 + 1];
    for (opcode, bytes, words) in [
        (1, &b"hello"[..], "1002 "),
        (1, b"", "1002 "),
        (1, b"{\"op\":\"dance\"}", "dance"),
        (1, b"{\"op\":\"publish\",\"n\":-1}", "1002 "),
        (2, &[0xff; 10], "1002 "),
        (1, &too_large, "2097152"),
    ] {
        let mut link = http.link("eve", "00000001");
        link.frame(opcode, bytes);
        let end = link.hear().expect_err("the link is over");
        assert!(end.contains(words), "{end}");
    }
    // Not UTF-8: the socket itself refuses it.
    let mut link = http.link("eve", "00000001");
    link.frame(1, &[0xff, 0xfe]);
    link.hear().expect_err("the link is over");
    let id = http.submit(&json!({ "kind": "work" }));
    http.ends(&id, "succeeded");
    assert_eq!(http.agent("ann")["presence"], "up");
}

/// A frame that publishes one message.
pub(crate) fn publish(n: u64, to: &str, kind: &str, body: &Value) -> Value {
    let id = format!("01931b66-7d50-7c8a-b7a5-{n:012x}");
    let message = json!({ "id": id, "kind": kind, "body": body });
    json!({ "op": "publish", "n": n, "batch": [{ "to": to, "message": message }] })
}

#[test]
fn scenario_m_garbage_messages_in_good_frames_are_refused_and_counted() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let mut link = http.link("eve", "00000001");
    let me = |rest: Value| {
        let mut body = json!({ "v": 1, "agent_id": "eve", "instance": "00000001" });
        body.as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        body
    };
    let messages = [
        (RESULTS, "outcome", me(json!({}))),
        (RESULTS, "outcome", me(json!({ "task_id": "x" }))),
        (RESULTS, "claim", me(json!({ "task_id": 7 }))),
        (RESULTS, "nonsense", me(json!({}))),
        (RESULTS, "outcome", me(json!({ "v": 99 }))),
        ("inbox/presence", "hello", me(json!({ "slots": -1 }))),
        ("inbox/presence", "heartbeat", me(json!({}))),
        ("inbox/presence", "nonsense", me(json!({}))),
    ];
    let mut taken = 0;
    for (n, (to, kind, body)) in (1..).zip(&messages) {
        link.say(&publish(n, to, kind, body));
        let reply = link.reply(n);
        // A broker that finds the way by the type has none for this one.
        if *kind == "nonsense" && reply["problem"]["code"] == "invalid" {
            continue;
        }
        taken += 1;
        assert_eq!(
            reply["ok"]["receipts"],
            json!(["confirmed"]),
            "{kind}: {reply}"
        );
    }
    let count = until("the refusals to be counted", || {
        let metrics = http.get("/metrics").text;
        let counts = metrics
            .lines()
            .filter(|line| line.starts_with("warrener_refused_total{"));
        let unread = ["reason=\"malformed\"", "reason=\"version\""];
        let malformed = counts.filter(|line| unread.iter().any(|class| line.contains(class)));
        let sum: u64 = malformed
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        (sum >= taken).then_some(sum)
    });
    assert_eq!(count, taken, "each once");
    let _agent = place.agent("ann", "", "echo '{}'");
    let id = http.submit(&json!({ "kind": "work" }));
    http.ends(&id, "succeeded");
}

#[test]
fn scenario_m_a_program_that_always_crashes_is_dead_once_while_others_go_on() {
    let place = Place::with("[retry.crash]\nretries = 2\nbase = \"50ms\"\njitter = \"none\"");
    place.write(
        "crash.sh",
        "echo start >> \"$WARRENER_AGENT_DIR/starts\"; kill -SEGV $$",
    );
    place.write("fine.sh", "echo '{}'");
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "--concurrency 1", BY_KIND);
    let poison = http.submit(&json!({ "kind": "crash", "priority": "critical" }));
    let others = http.batch(&vec![json!({ "kind": "fine" }); 10]);
    let task = http.ends(&poison, "dead");
    assert_eq!(task["dead_reason"], "poison");
    assert_eq!(task["error"]["class"], "crash");
    assert_eq!(task["error"]["detail"]["signal"], "SIGSEGV");
    assert_eq!(task["attempt"], 3);
    for id in &others {
        http.ends(id, "succeeded");
    }
    // Nothing starts it again.
    let last = http.submit(&json!({ "kind": "fine" }));
    http.ends(&last, "succeeded");
    assert_eq!(place.lines("starts").len(), 3);
    assert_eq!(place.run("dlq list -q").word(), poison);
    assert_eq!(http.times(&poison, "dead"), 1);
}

#[test]
fn defect_10_an_input_that_does_not_fit_its_kind_is_refused_at_submit_with_its_place() {
    let place = Place::with("[kind.review]\ninput_schema = \"review.json\"");
    let schema = json!({
        "type": "object", "required": ["pr"], "properties": { "pr": { "type": "integer" } }
    });
    place.write("review.json", &schema.to_string());
    let _server = place.server();
    let http = place.http();
    for input in [json!({}), json!({ "pr": "seven" }), Value::Null] {
        let request = json!({ "kind": "review", "input": input });
        let problem = http.post("/api/v1/tasks", &request).problem(422);
        assert_eq!(problem["code"], "invalid");
        let pointer = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(pointer.starts_with("/input"), "{problem}");
    }
    assert_eq!(http.books()["accepted"], 0);
    http.submit(&json!({ "kind": "review", "input": { "pr": 7 } }));
}
