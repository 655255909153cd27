//! Dead letters: groups, requeue, discard.

use crate::support::Server;
use serde_json::json;

#[test]
fn dead_tasks_are_grouped_by_what_they_died_of() {
    let server = Server::start();
    server.worker("ann");
    let ids: Vec<String> = (0..3).map(|_| server.dead()).collect();
    let groups = server.get("/api/v1/dead/groups").ok();
    assert_eq!(groups["items"].as_array().unwrap().len(), 1);
    let group = &groups["items"][0];
    assert_eq!(
        (&group["count"], &group["kind"], &group["class"]),
        (&json!(3), &json!("bad"), &json!("invalid"))
    );
    assert_eq!(group["error"]["message"], "the input can never work");
    assert!(ids.iter().any(|id| group["task_id"] == *id.as_str()));
    assert_eq!(
        server
            .get("/api/v1/dead/groups?filter=kind:other&limit=5")
            .ok()["items"],
        json!([])
    );
    server
        .get("/api/v1/dead/groups?filter=nonsense")
        .problem(400, "filter_invalid");
}

#[test]
fn a_dry_run_says_what_would_be_requeued_and_does_nothing() {
    let server = Server::start();
    server.worker("ann");
    let id = server.dead();
    let open = server.submit(json!({"kind": "nobody"}));
    let body = json!({"ids": [id, open], "dry_run": true});
    let answer = server.post("/api/v1/dead/requeue", body).ok();
    assert_eq!(
        (&answer["dry_run"], &answer["matched"], &answer["done"]),
        (&json!(true), &json!(1), &json!(1))
    );
    let skipped = &answer["skipped"][0];
    assert_eq!(
        (&skipped["id"], &skipped["code"]),
        (&json!(open), &json!("illegal_state"))
    );
    assert_eq!(server.task(&id)["state"], "dead");
    let answer = server
        .post(
            "/api/v1/dead/discard",
            json!({"filter": "", "dry_run": true}),
        )
        .ok();
    assert_eq!(answer["done"], 1);
    assert_eq!(server.task(&id)["state"], "dead");
}

#[test]
fn requeue_by_fingerprint_starts_attempts_anew_and_keeps_the_replays() {
    let server = Server::start();
    let stop = server.worker("ann");
    let (id, other) = (server.dead(), server.dead());
    stop.cancel();
    server.until("/api/v1/agents/ann", |agent| agent["presence"] == "left");
    let groups = server.get("/api/v1/dead/groups").ok();
    let fingerprint = groups["items"][0]["fingerprint"].as_str().unwrap();
    let body = json!({"fingerprint": fingerprint, "rate": 1000.0});
    let answer = server.post("/api/v1/dead/requeue", body).ok();
    assert_eq!(
        (&answer["dry_run"], &answer["matched"], &answer["done"]),
        (&json!(false), &json!(2), &json!(2))
    );
    for id in [id, other] {
        let task = server.task(&id);
        assert_eq!(
            (&task["state"], &task["replays"]),
            (&json!("ready"), &json!(1))
        );
    }
}

#[test]
fn requeue_by_filter_takes_no_more_than_the_limit() {
    let server = Server::start();
    let stop = server.worker("ann");
    for _ in 0..3 {
        server.dead();
    }
    stop.cancel();
    server.until("/api/v1/agents/ann", |agent| agent["presence"] == "left");
    let answer = server
        .post(
            "/api/v1/dead/requeue",
            json!({"filter": "kind:bad", "limit": 2}),
        )
        .ok();
    assert_eq!(answer["done"], 2);
    assert_eq!(server.get("/api/v1/books").ok()["states"]["dead"], 1);
    // A filter never reaches beyond the dead.
    let answer = server
        .post("/api/v1/dead/discard", json!({"filter": "state:ready"}))
        .ok();
    assert_eq!(answer["matched"], 0);
}

#[test]
fn discard_ends_them_for_good() {
    let server = Server::start();
    server.worker("ann");
    let id = server.dead();
    let answer = server
        .post(
            "/api/v1/dead/discard",
            json!({"ids": [id], "reason": "known"}),
        )
        .ok();
    assert_eq!(
        (&answer["matched"], &answer["done"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(server.task(&id)["state"], "cancelled");
    assert_eq!(server.get("/api/v1/dead/groups").ok()["items"], json!([]));
    let again = server
        .post("/api/v1/dead/discard", json!({"ids": [id]}))
        .ok();
    assert_eq!(
        (&again["done"], &again["skipped"][0]["id"]),
        (&json!(0), &json!(id))
    );
}

#[test]
fn nothing_said_is_not_everything() {
    let server = Server::start();
    for path in ["/api/v1/dead/requeue", "/api/v1/dead/discard"] {
        for body in [
            json!({}),
            json!({"ids": [], "filter": ""}),
            json!({"dry_run": true}),
        ] {
            let problem = server.post(path, body).problem(422, "invalid");
            assert!(problem["detail"].as_str().unwrap().contains("exactly one"));
        }
        server
            .post(path, json!({"filter": "nonsense"}))
            .problem(400, "filter_invalid");
        for rate in [json!(0), json!(-1)] {
            let problem = server
                .post(path, json!({"filter": "", "rate": rate}))
                .problem(422, "invalid");
            assert_eq!(problem["errors"][0]["pointer"], "/rate");
        }
        let problem = server
            .post(path, json!({"fliter": ""}))
            .problem(422, "invalid");
        assert!(
            problem["errors"][0]["message"]
                .as_str()
                .unwrap()
                .contains("\"filter\"")
        );
    }
}
