//! `kill -9` of the server while tasks are submitted and done: what was answered is there.

use crate::harness::{Place, port, until};
use crate::http::text;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

const ROUNDS: usize = 10;

#[test]
fn every_answered_submission_outlives_ten_kills_of_the_server() {
    let place = Place::new();
    let port = port();
    let witness = Arc::new(Mutex::new(Vec::<String>::new()));
    // Done are those of one lane only: the others show what a restart finds.
    let script = r#"echo "$WARRENER_TASK_ID" >> "$WARRENER_AGENT_DIR/starts"; echo '{}'"#;
    let mut agent = None;
    // Requests without an answer: they are asked again, under their keys.
    let unanswered = Arc::new(Mutex::new(Vec::<Value>::new()));
    for round in 0..ROUNDS {
        let server = place.server_on(port);
        let http = place.http();
        agent.get_or_insert_with(|| place.agent("ann", "--lane work --concurrency 2", script));
        for request in unanswered.lock().unwrap().drain(..) {
            witness.lock().unwrap().extend(http.batch(&[request]));
        }
        let known = witness.lock().unwrap().len();
        let producers: Vec<_> = (0..2)
            .map(|producer| {
                let (http, witness) = (http.clone(), witness.clone());
                let unanswered = unanswered.clone();
                std::thread::spawn(move || {
                    for n in 0.. {
                        let lane = if n % 4 == 0 { "work" } else { "nobody" };
                        let key = format!("{round}/{producer}/{n}");
                        let request =
                            json!({ "kind": "work", "lane": lane, "idempotency_key": key });
                        let body = json!([request]).to_string();
                        let path = "/api/v1/tasks/batch";
                        match http.try_send(path, "application/json", body.as_bytes()) {
                            Ok(reply) if reply.status == 201 => {
                                let id = text(&reply.json()["items"][0], "id");
                                witness.lock().unwrap().push(id);
                            }
                            Ok(reply) => panic!("{reply:?}"),
                            Err(_) => return unanswered.lock().unwrap().push(request),
                        }
                    }
                })
            })
            .collect();
        // The kill falls somewhere into the stream: later in each round.
        let enough = known + 3 + 4 * round;
        until("submissions", || {
            (witness.lock().unwrap().len() >= enough).then_some(())
        });
        server.signal(Signal::KILL);
        for producer in producers {
            producer.join().expect("a producer sees the end");
        }
        drop(server);
    }
    let _server = place.server_on(port);
    let http = place.http();
    let mut witness = witness.lock().unwrap();
    for request in unanswered.lock().unwrap().drain(..) {
        witness.extend(http.batch(&[request]));
    }
    for id in witness.iter() {
        let task: Value = http.task(id);
        if task["lane"] == "work" {
            http.ends(id, "succeeded");
            assert_eq!(http.times(id, "succeeded"), 1, "one effective result");
        } else {
            assert_eq!(task["state"], "ready");
        }
    }
    // Each request is one task, whether it was answered at once or asked again.
    let unique: BTreeSet<&String> = witness.iter().collect();
    assert_eq!(unique.len(), witness.len());
    let books = http.books();
    assert_eq!(
        (&books["accepted"], &books["lost"]),
        (&json!(witness.len()), &json!(0))
    );
}

#[test]
fn a_store_keeps_its_promises_when_its_server_is_killed_between_batches() {
    let place = Place::new();
    let mut ids = vec![];
    for round in 0..3 {
        let server = place.server();
        let requests: Vec<Value> = (0..50)
            .map(|n| json!({ "kind": "work", "lane": "nobody", "input": [round, n] }))
            .collect();
        ids.extend(place.http().batch(&requests));
        server.kill_9();
    }
    let _server = place.server();
    let http = place.http();
    let lane = http.get("/api/v1/lanes/nobody").json();
    assert_eq!(lane["counts"]["ready"], 150);
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(http.task(id)["input"], json!([n / 50, n % 50]));
    }
}
