//! Leaders: clients that submit and cancel over RabbitMQ, and hear the answer on their control queue.

use crate::harness::{Place, until};
use crate::raw::{Note, Raw};
use crate::stage;
use serde_json::json;

#[test]
fn a_leader_needs_a_control_queue_and_no_hello_and_is_answered_once_for_each_message() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let _server = place.server();
    let http = place.http();
    let mut lead = Raw::new(&vhost.url(), "lead", "0000000c");
    lead.listen();
    let request = lead.note("submit", &json!({ "kind": "work", "input": { "n": 1 } }));
    lead.send(&request);
    let first = lead.hear("submit.accepted");
    assert_eq!(first["duplicate"], false);
    assert_eq!(first["message_id"], request.id.clone().unwrap());
    let id = first["task_id"].as_str().unwrap().to_owned();
    assert_eq!(http.task(&id)["input"], json!({ "n": 1 }));

    lead.send(&request);
    let again = lead.hear("submit.accepted");
    assert_eq!(
        (&again["task_id"], &again["duplicate"]),
        (&first["task_id"], &json!(true))
    );
    assert_eq!(http.books()["accepted"], 1);

    let other = Note {
        id: request.id.clone(),
        ..lead.note("submit", &json!({ "kind": "other" }))
    };
    lead.send(&other);
    let no = lead.hear("submit.refused");
    assert_eq!(no["problem"]["code"], "idempotency_conflict");
    assert_eq!(no["problem"]["task_id"], id.as_str());

    lead.say("submit", &json!({ "kind": "work", "prioritty": "high" }));
    let no = lead.hear("submit.refused");
    assert_eq!(no["problem"]["code"], "invalid");
    assert_eq!(no["problem"]["errors"][0]["pointer"], "/prioritty");

    let cancel = lead.note("cancel", &json!({ "task_id": id, "reason": "enough" }));
    for duplicate in [false, true] {
        lead.send(&cancel);
        let answer = lead.hear("submit.accepted");
        assert_eq!(
            (&answer["task_id"], &answer["duplicate"]),
            (&json!(id), &json!(duplicate))
        );
    }
    assert_eq!(http.ends(&id, "cancelled")["state"], "cancelled");

    // One that names nobody is heard all the same; a worker is not.
    let mut nobodys = lead.note("submit", &json!({}));
    nobodys.body = json!({ "kind": "work", "labels": { "from": "nobody" } })
        .to_string()
        .into();
    nobodys.key = "submit.-".into();
    lead.send(&nobodys);
    until("the task of nobody", || {
        (http.books()["accepted"] == 2).then_some(())
    });
    let mut worker = Raw::new(&vhost.url(), "ann", "0000000a");
    worker.join(1);
    worker.say("submit", &json!({ "kind": "work" }));
    assert_eq!(
        worker.hear("submit.refused")["problem"]["code"],
        "not_allowed"
    );
    assert_eq!(http.books()["accepted"], 2);
}

#[test]
fn what_is_submitted_while_no_server_runs_is_accepted_by_the_next() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let server = place.server();
    server.kill_9();
    let mut lead = Raw::new(&vhost.url(), "lead", "0000000c");
    lead.listen();
    let requests: Vec<Note> = (0..20)
        .map(|n| lead.note("submit", &json!({ "kind": "work", "input": n })))
        .collect();
    // Each twice: the answer may be lost, and then one asks again.
    for request in requests.iter().chain(&requests) {
        lead.send(request);
    }
    let _server = place.server();
    let answers: Vec<_> = (0..40).map(|_| lead.hear("submit.accepted")).collect();
    let fresh = answers.iter().filter(|answer| answer["duplicate"] == false);
    assert_eq!(fresh.count(), 20);
    let http = place.http();
    assert_eq!(http.books()["accepted"], 20);
    let _agent = place.agent("ann", "", "echo '{}'");
    assert_eq!(http.settled()["states"]["succeeded"], 20);
}
