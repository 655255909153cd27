//! Dead letters over the command line: looked at, grouped, tried again, given up, archived; nothing happens by looking.

use crate::harness::{BY_KIND, Place, Process, until};
use crate::http::{Http, text};
use serde_json::{Value, json};

/// Dead letters of two groups, and an agent whose programs work once the file `works` is there.
struct Morgue {
    place: Place,
    http: Http,
    rows: Vec<String>,
    files: Vec<String>,
    _running: [Process; 2],
}

fn morgue() -> Morgue {
    let place = Place::new();
    let works = "[ -e \"$WARRENER_AGENT_DIR/works\" ] && { echo '{}'; exit 0; }\n";
    let row = "id=$(sed 's/.*\"input\":\\([0-9]*\\).*/\\1/'); echo \"bad row $id\" >&2; exit 65";
    let start = "echo \"$WARRENER_TASK_ID\" >> \"$WARRENER_AGENT_DIR/starts\"\n";
    place.write("row.sh", &format!("{start}{works}{row}"));
    place.write(
        "file.sh",
        &format!("{start}{works}echo 'no such file' >&2; exit 77"),
    );
    let server = place.server();
    let agent = place.agent("ann", "", BY_KIND);
    let http = place.http();
    let of = |kind: &str, n: i32| json!({ "kind": kind, "input": n, "labels": { "batch": "7" } });
    let rows = http.batch(&(0..3).map(|n| of("row", n)).collect::<Vec<_>>());
    let files = http.batch(&(0..2).map(|n| of("file", n)).collect::<Vec<_>>());
    for id in rows.iter().chain(&files) {
        http.ends(id, "dead");
    }
    Morgue {
        place,
        http,
        rows,
        files,
        _running: [server, agent],
    }
}

impl Morgue {
    fn groups(&self) -> Vec<Value> {
        let groups = self.place.run("dlq groups -o json").exits(0).json();
        groups["items"].as_array().unwrap().clone()
    }

    fn fingerprint(&self, kind: &str) -> String {
        let groups = self.groups();
        let group = groups.iter().find(|group| group["kind"] == kind);
        text(group.expect("a group of this kind"), "fingerprint")
    }

    fn ids(&self, filter: &str) -> Vec<String> {
        let mut line = vec!["dlq", "list", "-q", "--all"];
        if !filter.is_empty() {
            line.extend(["-f", filter]);
        }
        let mut ids: Vec<String> = self
            .place
            .call(&line)
            .fine()
            .lines()
            .map(Into::into)
            .collect();
        ids.sort();
        ids
    }
}

fn sorted(ids: &[String]) -> Vec<String> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}

#[test]
fn defect_09_every_dead_task_is_a_dead_letter_with_its_reason_and_what_it_was_given() {
    let morgue = morgue();
    let all = [morgue.rows.clone(), morgue.files.clone()].concat();
    assert_eq!(morgue.ids(""), sorted(&all));
    assert_eq!(morgue.ids("class:critical"), sorted(&morgue.files));
    assert_eq!(morgue.ids("kind:row label.batch:7"), sorted(&morgue.rows));
    assert_eq!(morgue.ids("label.batch:8"), Vec::<String>::new());
    let shown = morgue
        .place
        .call(&["dlq", "show", &morgue.rows[1], "-o", "json"])
        .exits(0)
        .json();
    assert_eq!(shown["dead_reason"], "invalid");
    assert_eq!(shown["error"]["message"], "bad row 1");
    assert_eq!(shown["input"], 1);
    let people = morgue.place.call(&["dlq", "show", &morgue.rows[1]]).fine();
    assert!(people.contains("bad row 1"), "{people}");
    let alive = morgue
        .http
        .submit(&json!({ "kind": "row", "lane": "nobody" }));
    morgue
        .place
        .call(&["dlq", "show", &alive])
        .fails(5, &["no dead letter"]);
}

#[test]
fn defect_21_groups_say_what_failed_how_often_and_since_when() {
    let morgue = morgue();
    let groups = morgue.groups();
    assert_eq!(groups.len(), 2, "{groups:?}");
    assert_eq!(
        (&groups[0]["kind"], &groups[0]["count"]),
        (&json!("row"), &json!(3))
    );
    assert_eq!(
        (&groups[1]["kind"], &groups[1]["count"]),
        (&json!("file"), &json!(2))
    );
    assert_eq!(groups[0]["class"], "invalid");
    for (group, ids) in groups.iter().zip([&morgue.rows, &morgue.files]) {
        let ends: Vec<Value> = ids.iter().map(|id| morgue.http.task(id)).collect();
        let times: Vec<String> = ends.iter().map(|task| text(task, "finished_at")).collect();
        assert_eq!(text(group, "first_at"), *times.iter().min().unwrap());
        assert_eq!(text(group, "last_at"), *times.iter().max().unwrap());
        for task in &ends {
            assert_eq!(task["error"]["fingerprint"], group["fingerprint"]);
        }
    }
}

#[test]
fn defect_25_looking_at_dead_letters_takes_nothing_away_and_starts_nothing() {
    let morgue = morgue();
    let before = (morgue.ids(""), morgue.groups(), morgue.http.books());
    for line in [
        "dlq list",
        "dlq groups",
        "dlq requeue -f kind:row --dry-run",
        "dlq discard -f kind:row --dry-run --yes",
        "dlq archive -f kind:row --dry-run",
        "dlq archive -f kind:row",
    ] {
        for _ in 0..2 {
            morgue.place.run(line).exits(0);
        }
    }
    assert_eq!(
        (morgue.ids(""), morgue.groups(), morgue.http.books()),
        before
    );
    assert_eq!(morgue.place.lines("starts").len(), 5);
    let dry = morgue
        .place
        .run("dlq requeue -f kind:row --dry-run -o json")
        .exits(0)
        .json();
    assert_eq!(
        (&dry["dry_run"], &dry["matched"]),
        (&json!(true), &json!(3))
    );
}

#[test]
fn defect_26_a_requeue_is_counted_once_for_each_and_starts_attempts_anew() {
    let morgue = morgue();
    let print = morgue.fingerprint("row");
    let done = morgue
        .place
        .call(&[
            "dlq",
            "requeue",
            "--fingerprint",
            &print,
            "--rate",
            "50/s",
            "-o",
            "json",
        ])
        .exits(0)
        .json();
    assert_eq!((&done["matched"], &done["done"]), (&json!(3), &json!(3)));
    // They fail again: back to the dead, once more each, and not round and round.
    for id in &morgue.rows {
        until("the second death", || {
            (morgue.http.times(id, "dead") == 2).then_some(())
        });
        let task = morgue.http.ends(id, "dead");
        assert_eq!((&task["replays"], &task["attempt"]), (&json!(1), &json!(2)));
    }
    assert_eq!(morgue.place.lines("starts").len(), 5 + 3);
    morgue.place.write("works", "");
    let id = &morgue.rows[0];
    morgue.place.call(&["dlq", "requeue", id]).exits(0);
    let task = morgue.http.ends(id, "succeeded");
    assert_eq!((&task["replays"], &task["attempt"]), (&json!(2), &json!(3)));
    // What is not dead any more is not requeued.
    let nobody = "01a20a76-a351-717e-aab1-8c54e75b1571";
    for act in [
        &["requeue"][..],
        &["discard", "--yes"],
        &["requeue", "--dry-run"],
    ] {
        let on = |id: &str| morgue.place.call(&[&["dlq"], act, &[id]].concat());
        on(id).fails(5, &["illegal_state", "nothing was done", "succeeded"]);
        on(nobody).fails(3, &["not_found", nobody]);
    }
    // Of several, what can be done is.
    let two = [
        "dlq",
        "requeue",
        "--dry-run",
        nobody,
        &morgue.rows[1],
        "-o",
        "json",
    ];
    let done = morgue.place.call(&two).exits(0).json();
    assert_eq!((&done["matched"], &done["done"]), (&json!(1), &json!(1)));
    assert_eq!(done["skipped"][0]["code"], "not_found");
    assert_eq!(morgue.http.task(id)["replays"], 2);
    assert_eq!(morgue.ids("kind:row"), sorted(&morgue.rows[1..]));
    assert_eq!(morgue.ids("kind:file"), sorted(&morgue.files), "left alone");
}

#[test]
fn discarding_needs_a_yes_and_keeps_history_and_books() {
    let morgue = morgue();
    morgue
        .place
        .run("dlq discard -f kind:file")
        .fails(2, &["--yes"]);
    morgue.place.run("dlq discard").exits(2);
    assert_eq!(morgue.ids("").len(), 5);
    morgue
        .place
        .run("dlq discard -f kind:file --reason gone --yes")
        .exits(0);
    assert_eq!(morgue.ids(""), sorted(&morgue.rows));
    for id in &morgue.files {
        let task = morgue.http.ends(id, "cancelled");
        assert_eq!(
            task["error"]["class"], "critical",
            "why it died is still known"
        );
    }
    let books = morgue.http.settled();
    assert_eq!(books["accepted"], 5);
    assert_eq!(
        (&books["states"]["dead"], &books["states"]["cancelled"]),
        (&json!(3), &json!(2))
    );
}

#[test]
fn defect_24_an_archive_is_whole_before_anything_is_discarded() {
    let morgue = morgue();
    let archive = "dlq archive -f kind:row --to dead.jsonl --discard";
    morgue.place.run(archive).fails(2, &["--yes"]);
    let ran = morgue.place.run(&format!("{archive} --yes")).exits(0);
    assert!(ran.err.contains("3 of them discarded"), "{ran:?}");
    let lines = morgue.place.lines("dead.jsonl");
    let tasks = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut found: Vec<String> = tasks
        .map(|task| {
            assert_eq!(
                task["error"]["message"],
                format!("bad row {}", task["input"])
            );
            text(&task, "id")
        })
        .collect();
    found.sort();
    assert_eq!(found, sorted(&morgue.rows));
    assert_eq!(morgue.ids(""), sorted(&morgue.files));
    // A file that is there is not written over, and then nothing is discarded.
    let again = "dlq archive -f kind:file --to dead.jsonl --discard --yes";
    morgue.place.run(again).fails(1, &["dead.jsonl"]);
    assert_eq!(morgue.place.lines("dead.jsonl"), lines);
    assert_eq!(morgue.ids(""), sorted(&morgue.files));
}

#[test]
fn defect_24_a_person_is_told_of_dead_letters_and_of_agents_that_are_lost() {
    let place =
        Place::with("[alert]\ncommand = [\"sh\", \"-c\", \"cat >> alerts; echo >> alerts\"]");
    // Whoever has not confirmed the file does not get its command run.
    let refused = place.run("server run --listen 127.0.0.1:0");
    refused.fails(2, &["nobody has confirmed", "--trust"]);
    let words = ["server", "run", "--listen", "127.0.0.1:0", "--trust"];
    let _server = place.ready(place.start("server", &words));
    let http = place.http();
    let agent = place.agent("ann", "", "echo 'ask a person' >&2; exit 77");
    let id = http.submit(&json!({ "kind": "work" }));
    http.ends(&id, "dead");
    let alert = |name: &str| {
        until(name, || {
            let lines = place.lines("alerts");
            let alerts = lines
                .iter()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            alerts.into_iter().find(|alert| alert["alert"] == name)
        })
    };
    let dead = alert("dead_letters");
    assert_eq!(
        (&dead["v"], &dead["severity"]),
        (&json!(1), &json!("critical"))
    );
    let message = text(&dead, "message");
    assert!(
        message.contains(&id) && message.contains("ask a person"),
        "{message}"
    );
    text(&dead, "since");
    agent.kill_9();
    assert_eq!(alert("agent_lost")["subject"], "ann");
}
