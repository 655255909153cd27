//! Schedules from outside: the server is killed around their slots, and each slot has fired once.

use crate::harness::{Place, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ROUNDS: usize = 6;

fn get(place: &Place, name: &str) -> Value {
    let line = format!("schedule get {name} -o json");
    place.run(&line).exits(0).json()
}

/// What became of its slots, oldest first.
fn firings(place: &Place, name: &str) -> Vec<Value> {
    let path = format!("/api/v1/schedules/{name}/firings?limit=1000");
    let Ok(reply) = place.http().try_get(&path) else {
        return vec![];
    };
    let page = reply.json();
    let rows = page["items"].as_array().cloned().unwrap_or_default();
    rows.into_iter().rev().collect()
}

fn millis(slot: &Value) -> i64 {
    let at: warrener_model::Timestamp = slot.as_str().unwrap().parse().unwrap();
    at.as_millis()
}

#[test]
fn each_slot_fires_once_however_often_the_server_is_killed() {
    let place = Place::new();
    let mut server = place.server();
    let make = "schedule create s --every 100ms --overlap cancel --catch-up all --catch-up-max 1000 --kind work";
    place.run(make).exits(0);
    let mut known = 0;
    for round in 0..ROUNDS {
        let enough = known + 2 + round;
        until("slots that fire", || {
            (firings(&place, "s").len() >= enough).then_some(())
        });
        server.kill_9();
        server = place.server();
        known = firings(&place, "s").len();
    }
    until("slots of the last server", || {
        (firings(&place, "s").len() > known + 3).then_some(())
    });
    place.run("schedule pause s").exits(0);
    let rows = firings(&place, "s");
    // A slot that was overtaken has its row as well: so the rows are the slots, without a gap and none twice.
    let slots: Vec<i64> = rows.iter().map(|row| millis(&row["slot"])).collect();
    let first = slots[0];
    let every: Vec<i64> = (0..slots.len()).map(|n| first + 100 * n as i64).collect();
    assert_eq!(slots, every);
    assert!(rows.iter().all(|row| row["count"] == 1), "none was missed");
    // And the tasks are those of the rows.
    let list = place.run("task list --all -f label.schedule:s -o jsonl --fields id,labels.slot");
    let mut tasks: BTreeMap<String, String> = BTreeMap::new();
    for line in list.fine().lines() {
        let task: Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| task[field].as_str().unwrap().to_owned();
        let twice = tasks.insert(text("labels.slot"), text("id"));
        assert_eq!(twice, None, "two tasks of one slot");
    }
    let started = rows.iter().filter(|row| row["outcome"] == "started");
    let started: BTreeMap<String, String> = started
        .map(|row| {
            let text = |field: &str| row[field].as_str().unwrap().to_owned();
            (text("slot"), text("task_id"))
        })
        .collect();
    assert_eq!(tasks, started);
    assert_eq!(place.http().books()["lost"], 0);
    drop(server);
}

#[test]
fn a_slot_without_a_server_is_made_up_for_or_not_as_the_schedule_says() {
    let place = Place::new();
    let server = place.server();
    let soon = warrener_model::Timestamp::from_millis(now() + 1_500);
    for policy in ["last", "none"] {
        let line = format!(
            "schedule create {policy} --at {soon} --catch-up {policy} --late 1ms --kind work"
        );
        place.run(&line).exits(0);
    }
    server.kill_9();
    until("the time of the slot", || {
        (now() > soon.as_millis() + 10).then_some(())
    });
    let _server = place.server();
    for (policy, outcome) in [("last", "started"), ("none", "missed")] {
        until("a row", || {
            (!firings(&place, policy).is_empty()).then_some(())
        });
        let rows = firings(&place, policy);
        assert_eq!((rows.len(), &rows[0]["outcome"]), (1, &json!(outcome)));
        assert_eq!(get(&place, policy)["next"], json!([]), "it is over");
    }
    assert_eq!(place.http().books()["accepted"], 1);
}

#[allow(
    clippy::disallowed_methods,
    reason = "a moment is waited for that the server's own clock has, too"
)]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_millis()).unwrap()
}

#[test]
fn a_person_makes_looks_at_runs_and_deletes_a_schedule() {
    let place = Place::new();
    let _server = place.server();
    let _agent = place.agent("ann", "", "cat > /dev/null; echo '{\"done\":true}'");
    let create = |pattern: &str| {
        let words = [
            "schedule",
            "create",
            "nightly",
            "--cron",
            pattern,
            "--time-zone",
            "Europe/Berlin",
            "--kind",
            "backup",
            "--input",
            "{\"n\":1}",
            "-o",
            "json",
        ];
        place.call(&words)
    };
    create("30 2 * *").fails(2, &["/cron", "minute hour day month weekday"]);
    create("30 2 31 2 *").fails(2, &["/cron", "never due"]);
    let made = create("30 2 1 1 *").exits(0).json();
    assert_eq!(made["time_zone"], "Europe/Berlin");
    create("30 2 1 1 *").fails(5, &["nightly", "name_taken"]);
    let next = place.run("schedule next nightly -q").fine();
    assert_eq!(next.lines().count(), 5);
    assert!(
        next.lines()
            .all(|line| line.ends_with("-01-01T01:30:00.000Z")),
        "{next}"
    );
    let list = place.run("schedule list").fine();
    assert!(
        list.contains("nightly") && list.contains("30 2 1 1 *"),
        "{list}"
    );
    assert_eq!(
        place.run("schedule pause nightly -o json").exits(0).json()["paused"],
        true
    );
    let task = place.run("schedule run nightly").word();
    place.http().ends(&task, "succeeded");
    assert_eq!(place.http().task(&task)["labels"]["schedule"], "nightly");
    assert_eq!(
        place.run("schedule resume nightly -o json").exits(0).json()["paused"],
        false
    );
    let rows = place
        .run("schedule firings nightly -o json")
        .exits(0)
        .json();
    assert_eq!(rows["items"][0]["task_id"], json!(task));
    place.run("schedule delete nightly").fails(2, &["--yes"]);
    place.run("schedule delete nightly --yes").exits(0);
    place
        .run("schedule get nightly")
        .fails(3, &["schedule", "nightly"]);
    place
        .run("schedule create x --kind a")
        .fails(2, &["--cron", "--every", "--at"]);
}

#[test]
fn a_schedule_runs_a_workflow() {
    let place = Place::new();
    let _server = place.server();
    let _agent = place.agent("ann", "", "cat > /dev/null; echo '{\"done\":true}'");
    place.write(
        "wrong.yaml",
        "name: w\nsteps: [{ id: a, kind: k, needs: [b] }]\n",
    );
    let make = |file: &str| {
        place.run(&format!(
            "schedule create s --cron @yearly --workflow {file}"
        ))
    };
    make("wrong.yaml").fails(6, &["wrong.yaml:2:"]);
    place.write(
        "two.yaml",
        "name: two\ninputs: { of: { type: integer, required: true } }\nsteps:\n  - { id: a, kind: k, input: { of: \"{{ inputs.of }}\" } }\n  - { id: b, kind: k, needs: [a] }\n",
    );
    make("two.yaml").fails(2, &["/inputs/of"]);
    make("two.yaml --set of=3").exits(0);
    let run = place.run("schedule run s").word();
    until("the end of the run", || {
        let reply = place.http().try_get(&format!("/api/v1/runs/{run}")).ok()?;
        (reply.json()["state"] == "succeeded").then_some(())
    });
    let rows = firings(&place, "s");
    assert_eq!(
        (&rows[0]["run_id"], &rows[0]["task_id"]),
        (&json!(run), &Value::Null)
    );
    assert_eq!(get(&place, "s")["inputs"], json!({"of": 3}));
    place
        .run("schedule create t --at 2100-01-01T00:00:00Z --workflow two.yaml --lane x")
        .fails(2, &["--lane"]);
}
