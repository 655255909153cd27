//! Shared state, from outside: the commands, and writers that compare and set while the server is killed again and again.

use crate::harness::{PATIENCE, Place, port, until_within};
use crate::http::Http;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn keys_are_set_compared_listed_deleted_and_restored() {
    let place = Place::new();
    let _server = place.server();
    place
        .run("state get team goal")
        .fails(3, &["there is no value at team/goal", "not_found"]);
    assert_eq!(place.run("state set team goal 1 -q").word(), "1");
    assert_eq!(place.run("state get team goal").word(), "1");
    let plan = r#"{"a": 1.50}"#;
    place.write("plan.json", plan);
    assert_eq!(place.run("state cas team goal 1 @plan.json -q").word(), "2");
    assert_eq!(place.run("state get team goal").fine().trim(), plan);
    let late = place.run("state cas team goal 1 3").exits(5);
    assert!(late.err.contains("at version 2"), "{}", late.err);
    place.run("state set team other 7").fine();
    let cursor = place.run("state snapshot team -q").word();
    place.run("state delete team goal --if-version 2").fine();
    place.run("state delete team goal").fails(3, &["not_found"]);
    let keys = |list: &str| -> Vec<String> {
        let out = place.run(list).fine();
        out.lines().map(Into::into).collect()
    };
    assert_eq!(keys("state list team -q"), ["other"]);
    assert_eq!(
        keys(&format!("state list team --at {cursor} -q")),
        ["goal", "other"]
    );
    let done = place
        .run(&format!("state restore team {cursor} -o json"))
        .json();
    assert_eq!(done["changed"], 1);
    assert_eq!(place.run("state get team goal").fine().trim(), plan);
    let history = place
        .run("state history team goal --limit 2 --all -o json")
        .json();
    let items = history["items"]
        .as_array()
        .unwrap_or_else(|| history.as_array().unwrap());
    let causes: Vec<&str> = items
        .iter()
        .map(|one| one["cause"].as_str().unwrap())
        .collect();
    assert_eq!(causes, ["restored", "deleted", "set", "set"]);
    let seen = place.run("state watch team --from 0 --count 5").fine();
    let last: Value = serde_json::from_str(seen.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["key"], &last["version"]),
        (&json!("goal"), &json!(4))
    );
    place.run("state set team goal nothing").exits(2);
    place
        .run("state set Team goal 1")
        .fails(2, &["state space", "must match"]);
    place
        .run("state restore team 999")
        .fails(2, &["cursor_invalid"]);
}

#[test]
fn a_value_goes_after_its_time_and_a_lock_goes_to_the_next_under_a_larger_token() {
    let place = Place::new();
    let _server = place.server();
    place.run("state set team short 1 --ttl 50ms").fine();
    let seen = place.run("state watch team --from 1 --count 1").json();
    assert_eq!(
        (&seen["cause"], &seen["deleted"]),
        (&json!("expired"), &json!(true))
    );
    place.run("state get team short").exits(3);
    assert_eq!(place.run("state lock team door --lease 1h -q").word(), "1");
    place
        .run("state lock team door --holder bob")
        .fails(5, &["is locked by cli-", "errors/locked"]);
    place
        .run("state lock team door --token 1 --lease 300ms")
        .fine();
    assert_eq!(
        place
            .run("state lock team door --holder bob --wait 20s -q")
            .word(),
        "2"
    );
    place
        .run("state set team goal 1 --lock door --token 1")
        .fails(5, &["lock_lost"]);
    place
        .run("state set team goal 1 --lock door --token 2")
        .fine();
    place
        .run("state unlock team door --token 1")
        .fails(5, &["lock_lost"]);
    place.run("state unlock team door --token 2").fine();
    assert_eq!(place.run("state lock team door -q").word(), "3");
}

const WRITERS: usize = 8;
const KILLS: u64 = 5;

/// Confirmed writes between two kills; with `STATE_UPDATES=N` of N in all, for a run by hand.
fn stride() -> u64 {
    let all = std::env::var("STATE_UPDATES").ok();
    all.and_then(|all| all.parse().ok()).unwrap_or(360) / (KILLS + 1)
}

/// What the writers know.
#[derive(Default)]
struct Known {
    /// Versions that the server said it made.
    confirmed: Mutex<BTreeSet<u64>>,
    /// Writes without an answer: each happened or not.
    unknown: AtomicU64,
    over: AtomicBool,
}

/// Adds one again and again: reads, then sets if nobody was faster.
fn add(http: &Http, known: &Known) {
    let pause = || std::thread::sleep(Duration::from_millis(10));
    while !known.over.load(Ordering::Acquire) {
        let Ok(read) = http.try_get("/api/v1/state/team/n") else {
            pause();
            continue;
        };
        let (version, n) = match read.status {
            200 => {
                let found = read.json();
                (
                    found["version"].as_u64().unwrap(),
                    found["value"].as_u64().unwrap(),
                )
            }
            404 => (0, 0),
            503 => continue,
            _ => panic!("{read:?}"),
        };
        match http.try_set("team/n", version, &json!(n + 1)) {
            Ok(reply) if reply.status == 200 => {
                let made = reply.json()["version"].as_u64().unwrap();
                assert_eq!(made, version + 1);
                let new = known.confirmed.lock().unwrap().insert(made);
                assert!(new, "version {made} was confirmed to two writers");
            }
            Ok(reply) if reply.status == 409 => {
                let found = reply.json()["version"].as_u64().unwrap();
                assert!(found > version, "{reply:?} to version {version}");
            }
            Ok(reply) if reply.status == 503 => {
                known.unknown.fetch_add(1, Ordering::AcqRel);
            }
            Ok(reply) => panic!("{reply:?}"),
            Err(_) => {
                known.unknown.fetch_add(1, Ordering::AcqRel);
                pause();
            }
        }
    }
}

#[test]
fn no_update_of_eight_writers_is_lost_and_a_watcher_sees_each_over_kills_of_the_server() {
    let place = Place::new();
    let port = port();
    let mut server = Some(place.server_on(port));
    let known = Arc::new(Known::default());
    let watcher = place.start("watcher", &["state", "watch", "team", "--from", "0"]);
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (http, known) = (place.http(), known.clone());
            std::thread::spawn(move || add(&http, &known))
        })
        .collect();
    let confirmed = || known.confirmed.lock().unwrap().len() as u64;
    let patience = PATIENCE + Duration::from_millis(20) * u32::try_from(stride()).unwrap();
    let more = || {
        let enough = confirmed() + stride();
        let enough = || (confirmed() >= enough).then_some(());
        until_within("confirmed writes", patience, enough);
    };
    for _ in 0..KILLS {
        more();
        server.take().unwrap().signal(Signal::KILL);
        server = Some(place.server_on(port));
    }
    more();
    known.over.store(true, Ordering::Release);
    writers
        .into_iter()
        .for_each(|writer| writer.join().unwrap());

    let end = place.http().get("/api/v1/state/team/n").json();
    let (version, value) = (
        end["version"].as_u64().unwrap(),
        end["value"].as_u64().unwrap(),
    );
    assert_eq!(
        version, value,
        "a version that added nothing, or more than one"
    );
    let unknown = known.unknown.load(Ordering::Acquire);
    let sure = confirmed();
    assert!(
        (sure..=sure + unknown).contains(&value),
        "{value} after {sure} confirmed writes and {unknown} without an answer"
    );
    let lines = until_within("the watcher at the end", patience, || {
        let out = watcher.out();
        let whole = out.rsplit_once('\n').map(|(lines, _)| lines.to_owned())?;
        (whole.lines().count() as u64 >= value).then_some(whole)
    });
    let seen: Vec<(u64, u64)> = lines
        .lines()
        .map(|line| {
            let change: Value = serde_json::from_str(line).unwrap();
            (
                change["version"].as_u64().unwrap(),
                change["value"].as_u64().unwrap(),
            )
        })
        .collect();
    let all: Vec<(u64, u64)> = (1..=value).map(|n| (n, n)).collect();
    assert_eq!(seen, all, "each version once, in order");
    assert!(
        known
            .confirmed
            .lock()
            .unwrap()
            .iter()
            .all(|version| *version <= value)
    );
}
