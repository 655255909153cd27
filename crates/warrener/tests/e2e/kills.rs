//! `kill -9` of the server while tasks are submitted and done: what was answered is there.

use crate::harness::{Place, port, until};
use crate::http::text;
use rustix::process::Signal;
use serde_json::{Value, json};
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
    for round in 0..ROUNDS {
        let server = place.server_on(port);
        let http = place.http();
        agent.get_or_insert_with(|| place.agent("ann", "--lane work --concurrency 2", script));
        let known = witness.lock().unwrap().len();
        let producers: Vec<_> = (0..2)
            .map(|producer| {
                let (http, witness) = (http.clone(), witness.clone());
                std::thread::spawn(move || {
                    for n in 0.. {
                        let lane = if n % 4 == 0 { "work" } else { "nobody" };
                        let body =
                            json!({ "kind": "work", "lane": lane, "input": [round, producer, n] });
                        let body = body.to_string();
                        match http.try_send("/api/v1/tasks", "application/json", body.as_bytes()) {
                            Ok(reply) if reply.status == 201 => {
                                witness.lock().unwrap().push(text(&reply.json(), "id"));
                            }
                            Ok(reply) => panic!("{reply:?}"),
                            Err(_) => return,
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
    let witness = witness.lock().unwrap();
    for id in witness.iter() {
        let task: Value = http.task(id);
        if task["lane"] == "work" {
            http.ends(id, "succeeded");
            assert_eq!(http.times(id, "succeeded"), 1, "one effective result");
        } else {
            assert_eq!(task["state"], "ready");
        }
    }
    let books = http.books();
    let accepted = books["accepted"].as_u64().unwrap();
    let (least, most) = (witness.len() as u64, (witness.len() + 2 * ROUNDS) as u64);
    assert!(
        (least..=most).contains(&accepted),
        "{accepted} of {least} to {most}"
    );
    assert_eq!(books["lost"], 0);
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
