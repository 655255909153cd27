//! The broker runs short of memory or disk: it takes nothing, and afterwards everything goes on by itself.

use crate::broker::{NOTES, all_done, alone, submit, until_broker};
use warrener_testkit::rabbit::Alarm;

#[test]
fn an_alarm_of_memory_holds_work_up_and_its_end_lets_it_go_on() {
    holds_up(Alarm::Memory);
}

#[test]
fn an_alarm_of_the_disk_holds_work_up_and_its_end_lets_it_go_on() {
    holds_up(Alarm::Disk);
}

#[track_caller]
fn holds_up(alarm: Alarm) {
    let (node, place) = alone();
    let _server = place.server();
    let http = place.http();
    let _agent = place.agent("ann", "", NOTES);
    all_done(&http, &submit(&http, 3));
    node.raise(alarm);
    // The broker blocks a connection when it next publishes; the agent's heartbeats do.
    let waits = submit(&http, 3);
    until_broker(&http, false);
    assert_eq!(http.get("/readyz").status, 503);
    node.clear(alarm);
    for id in &waits {
        http.ends(id, "succeeded");
        assert_eq!(http.times(id, "succeeded"), 1);
    }
    until_broker(&http, true);
    http.settled();
}
