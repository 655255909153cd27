//! Schedules: which slots there are, also where clocks are set, and what becomes of those that came.
#![allow(clippy::unwrap_used, reason = "a test that fails here says enough")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use warrener_model::schedule::{
    CatchUp, Cause, Decision, Outcome, Overlap, Schedule, ScheduleRequest, When, Work,
};
use warrener_model::{TaskId, Timestamp};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cron(pattern: &str, zone: &str) -> When {
    When::cron(pattern, zone).unwrap()
}

/// The first slots after a moment.
fn slots(when: &When, from: &str, count: usize) -> Vec<String> {
    let next = |t: &Timestamp| when.after(*t);
    let found = std::iter::successors(when.after(at(from)), next);
    found.take(count).map(|t| t.to_string()).collect()
}

fn schedule(fields: &str, now: Timestamp) -> Schedule {
    let text = format!(r#"{{"name":"n","task":{{"kind":"work"}},{fields}}}"#);
    ScheduleRequest::read(&text).unwrap().check(now).unwrap()
}

#[test]
fn a_pattern_is_read_by_the_clocks_of_its_zone() {
    let when = cron("30 6 * * 1-5", "Europe/Berlin");
    let expect = ["2026-11-23T05:30:00.000Z", "2026-11-24T05:30:00.000Z"];
    assert_eq!(slots(&when, "2026-11-20T12:00:00Z", 2), expect);
    let seconds = cron("*/20 * * * * *", "UTC");
    let expect = ["2026-11-20T12:00:20.000Z", "2026-11-20T12:00:40.000Z"];
    assert_eq!(slots(&seconds, "2026-11-20T12:00:00Z", 2), expect);
}

#[test]
fn a_time_that_clocks_leave_out_comes_at_the_end_of_the_gap_and_one_they_repeat_comes_once() {
    // Berlin: at 2:00 of 29 March 2026 it is 3:00; at 3:00 of 25 October it is 2:00 again.
    let when = cron("30 2 * * *", "Europe/Berlin");
    let spring = slots(&when, "2026-03-27T12:00:00Z", 3);
    let expect = [
        "2026-03-28T01:30:00.000Z",
        "2026-03-29T01:00:00.000Z",
        "2026-03-30T00:30:00.000Z",
    ];
    assert_eq!(spring, expect);
    let autumn = slots(&when, "2026-10-24T12:00:00Z", 2);
    let expect = ["2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"];
    assert_eq!(autumn, expect);
}

#[test]
fn every_hour_is_an_hour_of_the_sun_where_clocks_are_set() {
    let when = cron("0 * * * *", "Europe/Berlin");
    for from in ["2026-03-28T22:30:00Z", "2026-10-24T22:30:00Z"] {
        let found = slots(&when, from, 6);
        let hours = found
            .windows(2)
            .all(|two| at(&two[1]).since(at(&two[0])) == std::time::Duration::from_secs(3_600));
        assert!(hours, "{found:?}");
    }
}

#[test]
fn requests_say_all_their_mistakes_at_once() {
    let now = at("2026-11-20T12:00:00Z");
    let read = ScheduleRequest::read(
        r#"{"nam":"n","cron":7,"overlap":"both","task":{"kind":"a","lan":"b"}}"#,
    );
    let mistakes = read.unwrap_err();
    let places: Vec<&str> = mistakes.iter().map(|m| m.pointer.as_str()).collect();
    assert_eq!(places, ["/nam", "/task/lan", "/cron", "/overlap"]);
    for (text, place) in [
        (
            r#"{"name":"N","every_ms":1000,"task":{"kind":"a"}}"#,
            "/name",
        ),
        (r#"{"name":"n","task":{"kind":"a"}}"#, ""),
        (r#"{"name":"n","cron":"* *","task":{"kind":"a"}}"#, "/cron"),
        (
            r#"{"name":"n","cron":"0 0 30 2 *","task":{"kind":"a"}}"#,
            "/cron",
        ),
        (
            r#"{"name":"n","cron":"* * * * *","time_zone":"Mars","task":{"kind":"a"}}"#,
            "/time_zone",
        ),
        (
            r#"{"name":"n","every_ms":99,"task":{"kind":"a"}}"#,
            "/every_ms",
        ),
        (
            r#"{"name":"n","at":"2026-11-20T11:00:00Z","task":{"kind":"a"}}"#,
            "/at",
        ),
        (
            r#"{"name":"n","every_ms":1000,"task":{"kind":"A"}}"#,
            "/task/kind",
        ),
        (
            r#"{"name":"n","every_ms":1000,"task":{"kind":"a","deadline":"2027-01-01T00:00:00Z"}}"#,
            "/task/deadline",
        ),
        (
            r#"{"name":"n","every_ms":1000,"catch_up_max":0,"task":{"kind":"a"}}"#,
            "/catch_up_max",
        ),
    ] {
        let mistakes = ScheduleRequest::read(text).unwrap().check(now).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{text}: {mistakes:?}");
        assert_eq!(mistakes[0].pointer, place, "{text}: {mistakes:?}");
    }
}

#[test]
fn a_schedule_is_read_as_it_was_written() {
    let now = at("2026-11-20T12:00:00Z");
    let made = schedule(r#""cron":"0 0 * * *","time_zone":"Asia/Tokyo""#, now);
    let text = serde_json::to_string(&made).unwrap();
    assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), made);
    assert_eq!(made.upcoming().len(), 5);
}

/// Ten seconds after the schedule was made: ten slots of a second each, of which those over two seconds late are missed.
fn late(fields: &str, busy: bool) -> Decision {
    let made = at("2026-11-20T12:00:00Z");
    let fields = format!(r#""every_ms":1000,"late_ms":2000,{fields}"#);
    let found = schedule(&fields, made).look(at("2026-11-20T12:00:10Z"), busy);
    found.unwrap()
}

/// What was left out, by outcome, and the second of the slot that starts a task.
fn seen(decision: &Decision) -> (u32, u32, Option<i64>) {
    let count = |outcome: Outcome| {
        let rows = decision.firings.iter().filter(|row| row.outcome == outcome);
        rows.map(|row| row.count).sum()
    };
    let start = decision.start.map(|slot| slot.at.as_millis() / 1000 % 60);
    (count(Outcome::Missed), count(Outcome::Skipped), start)
}

#[test]
fn what_was_missed_is_made_up_for_as_the_policy_says() {
    assert_eq!(seen(&late(r#""catch_up":"none""#, false)), (7, 2, Some(8)));
    assert_eq!(seen(&late(r#""catch_up":"last""#, false)), (7, 2, Some(8)));
    let all = late(
        r#""catch_up":"all","catch_up_max":3,"overlap":"queue""#,
        false,
    );
    assert_eq!(seen(&all), (4, 0, Some(5)));
    assert_eq!(all.schedule.waiting.len(), 5);
    let made = at("2026-11-20T12:00:00Z");
    for (policy, expect) in [("none", (1, 0, None)), ("last", (0, 0, Some(0)))] {
        let fields = format!(r#""cron":"0 * * * *","catch_up":"{policy}""#);
        let decision = schedule(&fields, made).look(at("2026-11-20T13:30:00Z"), false);
        assert_eq!(seen(&decision.unwrap()), expect, "{policy}");
    }
}

#[test]
fn what_runs_still_is_waited_for_left_alone_or_cancelled() {
    let skip = late(r#""overlap":"skip""#, true);
    assert_eq!((seen(&skip), skip.cancel), ((7, 3, None), false));
    let queue = late(r#""overlap":"queue""#, true);
    assert_eq!(
        (seen(&queue), queue.schedule.waiting.len()),
        ((7, 0, None), 3)
    );
    let cancel = late(r#""overlap":"cancel""#, true);
    assert_eq!((seen(&cancel), cancel.cancel), ((7, 2, Some(10)), true));
}

#[test]
fn a_person_may_ask_for_one_now_paused_or_not() {
    let made = at("2026-11-20T12:00:00Z");
    let now = at("2026-11-20T12:00:30Z");
    let one = schedule(r#""cron":"0 0 * * *""#, made).pause(made);
    let decision = one.by_hand(now, false).unwrap();
    assert_eq!(decision.start.unwrap().cause, Cause::Hand);
    assert_eq!(decision.schedule.next, one.next, "no slot is used up");
    assert!(one.by_hand(now, true).is_err());
    assert!(
        one.look(at("2026-12-20T12:00:00Z"), false).is_none(),
        "paused"
    );
    let again = one.resume(at("2026-12-20T12:00:00Z"));
    assert_eq!(again.next, Some(at("2026-12-21T00:00:00Z")));
}

fn whens() -> impl Strategy<Value = When> {
    // None so often that hours of it are many thousands of slots.
    let patterns = [
        "* * * * *",
        "*/7 * * * *",
        "30 2 * * *",
        "0 2,3 * * *",
        "15 1-3 * * 0",
        "0 0 1 * *",
        "59 23 28-31 * *",
        "5 */2 * * 1-5",
    ];
    let zones = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
        "America/Sao_Paulo",
    ];
    let crons =
        (0..patterns.len(), 0..zones.len()).prop_map(move |(p, z)| cron(patterns[p], zones[z]));
    let every = (50_000..10_000_000_u64, 0..10_000_000_i64).prop_map(|(every_ms, from)| {
        let from = at("2026-03-01T00:00:00Z").as_millis() + from;
        When::Every {
            from: Timestamp::from_millis(from),
            every_ms,
        }
    });
    prop_oneof![3 => crons, 1 => every]
}

/// Moments of a year with both changes of the clocks, more of them near these.
fn moments() -> impl Strategy<Value = Timestamp> {
    let around = |text: &'static str| {
        (-10_000_000..10_000_000_i64)
            .prop_map(move |off| Timestamp::from_millis(at(text).as_millis() + off))
    };
    let year = (0..31_000_000_000_i64)
        .prop_map(|off| Timestamp::from_millis(at("2026-01-01T00:00:00Z").as_millis() + off));
    prop_oneof![
        year,
        around("2026-03-29T01:00:00Z"),
        around("2026-10-25T01:00:00Z"),
        around("2026-03-08T07:00:00Z"),
        around("2026-11-01T06:00:00Z"),
        around("2026-04-04T15:00:00Z"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_next_slot_is_later_and_none_lies_between(when in whens(), t in moments(), part in 0.0..1.0_f64) {
        let next = when.after(t).unwrap();
        prop_assert!(next > t);
        let gap = next.as_millis() - t.as_millis() - 1;
        let within = Timestamp::from_millis(t.as_millis() + (gap as f64 * part) as i64);
        prop_assert_eq!(when.after(within), Some(next));
    }

    #[test]
    fn of_too_many_slots_the_newest_are_found(when in whens(), t in moments(), limit in 1..40_usize) {
        let later = Timestamp::from_millis(t.as_millis() + 40 * 86_400_000);
        let all = when.between(t, later, 1_000_000);
        let newest = when.between(t, later, limit);
        prop_assert_eq!(&newest[..], &all[all.len().saturating_sub(limit)..]);
    }

    /// However often, and at whatever moments, somebody looks: each slot has exactly one row, or waits.
    #[test]
    fn each_slot_is_decided_once(
        when in whens(),
        start in moments(),
        steps in prop::collection::vec((0..20_000_000_i64, any::<bool>()), 1..12),
        overlap in prop_oneof![Just(Overlap::Skip), Just(Overlap::Queue), Just(Overlap::Cancel)],
        catch_up in prop_oneof![Just(CatchUp::None), Just(CatchUp::Last), Just(CatchUp::All)],
    ) {
        let mut row = schedule(r#""every_ms":1000"#, start);
        row.next = when.after(start);
        (row.when, row.overlap, row.catch_up) = (when.clone(), overlap, catch_up);
        let (mut now, mut rows, mut started) = (start, vec![], 0);
        for (step, busy) in steps {
            // Back by as much as a tenth now and then: clocks are set.
            now = Timestamp::from_millis(now.as_millis() + step - 1_000_000);
            let Some(decision) = row.look(now, busy) else { continue };
            prop_assert_eq!(decision.schedule.version, row.version + 1);
            started += usize::from(decision.start.is_some());
            let decision = decision.started(Work::Task(TaskId::new(now, [1; 10])), now);
            rows.extend(decision.firings);
            row = decision.schedule;
        }
        let mut at_most_once = BTreeMap::new();
        for firing in rows.iter().filter(|row| row.outcome != Outcome::Missed) {
            *at_most_once.entry(firing.slot.at).or_insert(0) += 1;
        }
        prop_assert!(at_most_once.values().all(|count| *count == 1));
        let ended: usize = rows.iter().map(|row| row.count as usize).sum();
        let came = when.between(start, row.done_until, 1_000).len();
        if came < 1_000 {
            prop_assert_eq!(ended + row.waiting.len(), came);
        }
        prop_assert_eq!(rows.iter().filter(|row| row.outcome == Outcome::Started).count(), started);
    }
}
