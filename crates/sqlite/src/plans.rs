//! Every question that is asked all the time finds its index: a schema or a query that loses it fails here.

use crate::{ledger, list, purge, read, schedule, schema, totals};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::time::Duration;
use warrener_backend::query::{List, SortKey};
use warrener_model::Timestamp;
use warrener_model::filter::Filter;
use warrener_model::id::TaskId;

fn plan(db: &Connection, sql: &str) -> String {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let nothing = vec![Value::Null; statement.parameter_count()];
    let steps = statement
        .query_map(params_from_iter(nothing), |row| row.get::<_, String>(3))
        .unwrap();
    steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
}

fn check(cases: &[(&str, &str)]) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let (db, _) = schema::writer(&file, Duration::ZERO, Timestamp::default()).unwrap();
    for (sql, index) in cases {
        let plan = plan(&db, sql);
        assert!(plan.contains(index), "{sql}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
    }
}

#[test]
fn questions_of_every_second_use_their_index() {
    check(&[
        (read::DUE, "task_due (due_at<?)"),
        (read::NEXT_DUE, "task_due"),
        (
            read::OFFERED,
            "task_offered (offered_at>? AND offered_at<?)",
        ),
        (
            read::OFFERS_OUT,
            "COVERING INDEX task_out (lane=? AND state=?",
        ),
        (read::READY, "INDEX task_next (lane=?)"),
        (read::READY_EXCEPT, "INDEX task_next (lane=?)"),
        (read::HELD, "SCAN task USING INDEX task_running"),
        (purge::OLD, "task_over (state=? AND finished_at<?)"),
        (read::LOGS, "log_task (task=? AND n>?)"),
        (read::EVENTS, "SEARCH e USING INTEGER PRIMARY KEY (rowid>?)"),
        (read::EVENTS_OF, "event_task (task=? AND n>?)"),
        (totals::COUNTS, "task_oldest (lane=?)"),
        (schedule::DUE, "schedule_due (due_at<?)"),
        (schedule::DUE, "schedule_waits (waits=?)"),
        (schedule::NEXT_DUE, "schedule_due"),
        (schedule::FIRINGS, "firing_schedule (schedule=? AND n<?)"),
        (ledger::FOUND, "SCAN task USING COVERING INDEX task_state"),
    ]);
}

#[test]
fn pages_are_read_in_the_order_of_an_index() {
    let run = |text: &str, sort, descending| {
        let list = List {
            filter: Filter::parse(text).unwrap(),
            now: Timestamp::default(),
            sort,
            descending,
            limit: 50,
            after: Some((0, TaskId::from_bytes([0; 16]))),
            bodies: false,
        };
        list::runs(&list).unwrap()[0].sql()
    };
    for descending in [false, true] {
        check(&[
            (&run("", SortKey::Created, descending), "task_created ("),
            (&run("", SortKey::Finished, descending), "task_finished ("),
            (&run("", SortKey::Priority, descending), "task_priority ("),
            (
                &run("state:dead", SortKey::Created, descending),
                "task_state (state=? AND",
            ),
            (
                &run("agent:a", SortKey::Created, descending),
                "task_agent (agent=? AND",
            ),
            (
                &run("lane:a", SortKey::Created, descending),
                "task_lane (lane=? AND",
            ),
            (
                &run("kind:a", SortKey::Created, descending),
                "task_kind (kind=? AND",
            ),
            (
                &run("text:x", SortKey::Created, descending),
                "task_created (",
            ),
            (
                &run("lane:a state:ready", SortKey::Created, descending),
                "=? AND",
            ),
        ]);
    }
}
