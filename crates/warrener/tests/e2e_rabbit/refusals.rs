//! What is malformed, foreign, forged, of another version, doubled or late: refused by class, counted, kept, answered where
//! there is an answer; and the service goes on.

use crate::harness::{Place, until};
use crate::http::Http;
use crate::raw::{Note, Raw};
use crate::stage;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn counted(http: &Http) -> BTreeMap<String, u64> {
    let metrics = http.get("/metrics").text;
    let lines = metrics.lines().filter_map(|line| {
        let line = line.strip_prefix("warrener_refused_total{what=\"")?;
        let (labels, count) = line.split_once("\"} ")?;
        let (what, reason) = labels.split_once("\",reason=\"")?;
        Some((format!("{what}/{reason}"), count.parse().ok()?))
    });
    lines.collect()
}

#[test]
fn garbage_in_any_queue_is_refused_by_class_counted_and_kept_and_work_goes_on() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let _server = place.server();
    let http = place.http();
    let mut agent = place.agent("ann", "", "echo '{}'");
    let eve = Raw::new(&vhost.url(), "eve", "0000000e");
    let task = "00000000-0000-7000-8000-000000000001";
    let mut expected: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (inbox, kind, body) in [
        (
            "results",
            "claim",
            json!({ "task_id": task, "offer": 1, "claim": task }),
        ),
        ("presence", "bye", json!({ "reason": "stop" })),
        (
            "signals",
            "signal",
            json!({ "task_id": task, "epoch": 1, "seq": 0, "kind": "log" }),
        ),
        ("submit", "cancel", json!({ "task_id": task })),
    ] {
        let good = eve.note(kind, &body);
        let of = |name: &str| {
            let mut body: Value = serde_json::from_slice(&good.body).unwrap();
            body["agent_id"] = name.into();
            body.to_string()
        };
        let other_version = String::from_utf8(good.body.clone()).unwrap();
        let other_version = other_version.replace("\"v\":1", "\"v\":2");
        let foreign = Note {
            store: Some("00000000-0000-7000-8000-00000000000f".into()),
            ..good.with(good.body.clone())
        };
        let bare = Note {
            kind: None,
            id: None,
            ..good.clone()
        };
        let odd_id = Note {
            id: Some("seven".into()),
            ..good.clone()
        };
        let mut notes = vec![
            (inbox, "malformed", good.with("\u{1}garbage")),
            (inbox, "malformed", good.with([0xff, 0xfe])),
            (inbox, "version", good.with(other_version)),
            (inbox, "foreign", foreign),
            ("dead", "malformed", bare),
            ("dead", "malformed", odd_id),
        ];
        // Whose a signal is its run says, and there is none.
        if inbox != "signals" {
            notes.push((inbox, "forged", good.with(of("ann"))));
        }
        for (place, class, note) in notes {
            *expected.entry((place, class)).or_default() += 1;
            eve.send(&note);
        }
    }
    // Work that nobody gave out: agents reject what they cannot read, and the server reads that.
    for (key, class, body) in [
        ("agent.tasks", "malformed", "garbage"),
        ("agent.tasks.dead", "no_offer", "{}"),
    ] {
        let kind = if key == "agent.tasks" {
            "task"
        } else {
            "gossip"
        };
        let note = Note {
            exchange: String::new(),
            key: key.into(),
            ..eve.note(kind, &json!({})).with(body)
        };
        *expected.entry(("dead", class)).or_default() += 1;
        eve.send(&note);
    }
    let total: usize = expected.values().sum();
    let items = until("all that is refused", || {
        let page = http.get("/api/v1/refused?limit=1000&fields=body").json();
        let items = page["items"].as_array()?.clone();
        (items.len() >= total).then_some(items)
    });
    let mut found: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for item in &items {
        let word = |field: &str| item[field].as_str().unwrap();
        *found.entry((word("inbox"), word("class"))).or_default() += 1;
        assert!(!word("reason").is_empty(), "{item}");
    }
    assert_eq!(found, expected);
    let by_class = counted(&http);
    for ((inbox, class), count) in expected {
        let what = inbox
            .strip_suffix('s')
            .filter(|_| matches!(inbox, "results" | "signals"));
        let key = format!("{}/{class}", what.unwrap_or(inbox));
        assert_eq!(
            by_class.get(&key),
            Some(&(count as u64)),
            "{key} in {by_class:?}"
        );
    }
    let garbage = items.iter().find(|item| item["body"] == "\u{1}garbage");
    assert_eq!(garbage.unwrap()["sender"], "eve");
    let listed = place
        .run("dlq refused --all -o jsonl --fields inbox,class,body")
        .fine();
    assert_eq!(listed.lines().count(), total, "{listed}");
    let id = http.submit(&json!({ "kind": "work" }));
    http.ends(&id, "succeeded");
    http.settled();
    assert!(agent.is_running());
}

#[test]
fn an_agent_that_is_not_welcome_hears_why_by_a_code() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", "echo '{}'");
    let mut raw = Raw::new(&vhost.url(), "ann", "0000000a");
    raw.listen();
    let fine = json!({ "lanes": ["default"], "slots": 1 });
    let with = |change: Value| {
        let mut hello = fine.clone();
        hello
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        hello
    };
    for (hello, code, word) in [
        (
            with(json!({ "lanes": ["No Lane"] })),
            "unknown_lane",
            "No Lane",
        ),
        (
            with(json!({ "lanes": ["high"] })),
            "unknown_lane",
            "reserved",
        ),
        (with(json!({ "lanes": [] })), "unknown_lane", "--lane"),
        (with(json!({ "role": "boss" })), "role_not_allowed", "boss"),
        (with(json!({ "slots": 0 })), "role_not_allowed", "slots"),
        (with(json!({ "v": 2 })), "version_unsupported", "version 2"),
        (fine.clone(), "name_taken", "connected already"),
    ] {
        raw.say("hello", &hello);
        let no = raw.hear("unwelcome");
        assert_eq!(no["code"], code, "{no}");
        let message = no["message"].as_str().unwrap();
        assert!(message.contains(word), "{no}");
    }
    let page = until("those that could not be read", || {
        let page = http.get("/api/v1/refused").json();
        (page["items"].as_array()?.len() == 4).then_some(page)
    });
    assert_eq!(page["items"][0]["class"], "version");
    assert_eq!(
        http.agent("ann")["presence"],
        "up",
        "the one that is there stays"
    );
    // A lane that nobody has used before is no unknown one.
    let mut other = Raw::new(&vhost.url(), "ben", "0000000b");
    other.listen();
    other.say("hello", &with(json!({ "lanes": ["brand-new"] })));
    assert_eq!(
        other.hear("welcome")["queues"][0]["queue"],
        "agent.tasks.brand-new"
    );
}

#[test]
fn what_comes_twice_or_late_is_answered_and_changes_nothing() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let _server = place.server();
    let http = place.http();
    let mut raw = Raw::new(&vhost.url(), "ann", "0000000a");
    // Room for two: what is refused is not refused for want of it.
    raw.join(2);
    let id = http.submit(&json!({ "kind": "work" }));
    let offer = raw.take("agent.tasks");
    assert_eq!(offer["task_id"], id.as_str());
    let number = offer["offer"].as_u64().unwrap();
    let claim = |claim: &str, offer: u64| json!({ "task_id": id, "offer": offer, "claim": claim });
    let (mine, other) = (
        "00000000-0000-7000-8000-00000000000a",
        "00000000-0000-7000-8000-00000000000b",
    );
    raw.say("claim", &claim(other, number + 5));
    assert_eq!(raw.hear("claim.refused")["reason"], "stale");
    let asked = raw.note("claim", &claim(mine, number));
    raw.send(&asked);
    let granted = raw.hear("claim.granted");
    raw.send(&asked);
    assert_eq!(
        raw.hear("claim.granted")["epoch"],
        granted["epoch"],
        "the same grant"
    );
    raw.say("claim", &claim(other, number));
    assert_eq!(raw.hear("claim.refused")["reason"], "held");
    let outcome = |epoch: u64, output: &str| {
        let attempt = granted["attempt"].clone();
        json!({ "task_id": id, "attempt": attempt, "epoch": epoch, "status": "succeeded", "output": output,
            "started_at": null, "finished_at": null })
    };
    let epoch = granted["epoch"].as_u64().unwrap();
    raw.say("outcome", &outcome(epoch + 1, "of no run"));
    assert_eq!(raw.hear("revoke")["epoch"], epoch + 1);
    assert_eq!(raw.hear("recorded")["leases"][0]["epoch"], epoch + 1);
    let done = raw.note("outcome", &outcome(epoch, "mine"));
    for _ in 0..2 {
        raw.send(&done);
        assert_eq!(raw.hear("recorded")["leases"][0]["epoch"], epoch);
    }
    assert_eq!(http.ends(&id, "succeeded")["output"], "mine");
    assert_eq!(http.times(&id, "succeeded"), 1);
    raw.say("claim", &claim(other, number));
    assert_eq!(raw.hear("claim.refused")["reason"], "final");
    http.settled();
    let by_class = counted(&http);
    for key in ["claim/stale", "claim/held", "claim/final"] {
        assert_eq!(by_class.get(key), Some(&1), "{by_class:?}");
    }
    assert_eq!(by_class.get("outcome/final"), Some(&1), "{by_class:?}");
    let kept = http.get("/api/v1/refused").json();
    assert_eq!(kept["items"], json!([]), "old news is no garbage");
}
