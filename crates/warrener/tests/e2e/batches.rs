//! Batches over the command line: whole or not at all, in order, with their keys.

use crate::harness::Place;
use crate::http::text;
use serde_json::json;

#[test]
fn a_batch_is_accepted_whole_in_order_and_prints_its_ids() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let lines: String = (0..20)
        .map(|n| format!("{{\"kind\":\"work\",\"lane\":\"nobody\",\"input\":{n}}}\n"))
        .collect();
    place.write("batch.jsonl", &lines);
    let out = place.run("task submit --batch batch.jsonl").fine();
    let ids: Vec<&str> = out.lines().collect();
    assert_eq!(ids.len(), 20);
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(http.task(id)["input"], n);
    }
    let answer = place
        .feed(
            "task submit --batch - -o json",
            "{\"kind\":\"work\",\"lane\":\"nobody\"}\n",
        )
        .exits(0)
        .json();
    assert_eq!(answer["items"][0]["index"], 0);
    assert_eq!(answer["items"][0]["duplicate"], false);
    http.task(&text(&answer["items"][0], "id"));
}

#[test]
fn one_bad_line_refuses_a_batch_and_every_mistake_is_placed() {
    let place = Place::new();
    let _server = place.server();
    let good = "{\"kind\":\"work\"}\n";
    let bad = [good, "{\"kind\":\"\"}\n", good, "{\"knid\":\"work\"}\n"].concat();
    place
        .feed("task submit --batch -", &bad)
        .fails(2, &["/1/kind", "/3", "kind"]);
    let ran = place.feed("task submit --batch - -o json", &bad).exits(2);
    let problem: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(problem["code"], "invalid");
    assert!(
        problem["errors"].as_array().unwrap().len() >= 2,
        "{problem}"
    );
    place
        .feed("task submit --batch -", "{\"kind\":\"work\"}\nnot JSON\n")
        .exits(2);
    place
        .feed("task submit --batch -", "\n \n")
        .fails(2, &["no requests"]);
    place
        .run("task submit --batch nothing.jsonl")
        .fails(2, &["nothing.jsonl"]);
    assert_eq!(place.http().books()["accepted"], 0);
}

#[test]
fn keys_of_a_batch_hold_over_its_repeats_and_a_taken_one_refuses_it() {
    let place = Place::new();
    let _server = place.server();
    let http = place.http();
    let line = |n: usize| {
        format!("{{\"kind\":\"work\",\"lane\":\"nobody\",\"idempotency_key\":\"k{n}\"}}\n")
    };
    let batch = line(0) + &line(1) + &line(2);
    let first = place.feed("task submit --batch -", &batch).fine();
    let again = place.feed("task submit --batch -", &batch).exits(0);
    assert_eq!(again.out, first);
    assert!(again.err.contains("accepted before"), "{again:?}");
    let other = line(7) + &line(1).replace("work", "other");
    place
        .feed("task submit --batch -", &other)
        .fails(5, &["idempotency_conflict"]);
    assert_eq!(http.books()["accepted"], 3, "key 7 was not accepted");
    assert_eq!(
        http.batch(&[json!({ "kind": "work", "idempotency_key": "k7" })])
            .len(),
        1
    );
}
