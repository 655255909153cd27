//! What a book orders: each rule of protocol.md's paragraph **Agent**.

use super::{Book, Clock, Order};
use std::time::Duration;
use tokio::time::Instant;
use warrener_model::message::{Granted, Offer, Outcome, Status};
use warrener_model::{AgentId, ClaimId, InstanceId, Json, TaskId, Timestamp};

const CLOCK: Clock = Clock {
    repeat: Duration::from_secs(2),
    fresh: Duration::from_secs(10),
    again: Duration::from_secs(10),
};

fn claim() -> ClaimId {
    ClaimId::from_bytes([1; 16])
}

fn offer(grant: Option<Granted>) -> Offer {
    Offer {
        task_id: TaskId::from_bytes([2; 16]),
        offer: 1,
        kind: "work".parse().unwrap(),
        lane: Default::default(),
        priority: Default::default(),
        title: String::new(),
        description: String::new(),
        input: Json::null(),
        labels: Default::default(),
        run_id: None,
        step: None,
        parent_id: None,
        timeout_ms: None,
        deadline: None,
        created_at: Timestamp::default(),
        max_attempts: 25,
        replays: 0,
        not_before: None,
        ready_at: None,
        progress: None,
        error: None,
        usage: None,
        attempt: None,
        epoch: None,
        task_token: None,
        grant,
    }
}

fn grant() -> Granted {
    let (task_id, claim) = (TaskId::from_bytes([2; 16]), claim());
    Granted {
        task_id,
        claim,
        attempt: 1,
        epoch: 1,
        lease_ms: 45_000,
        timeout_ms: None,
        started_at: None,
        version: None,
        task_token: None,
    }
}

fn outcome() -> Outcome {
    let agent_id = AgentId::new("a").unwrap();
    let instance = InstanceId::random(1);
    Outcome {
        task_id: TaskId::from_bytes([2; 16]),
        attempt: 1,
        epoch: 1,
        who: warrener_model::agent::WhoFields { agent_id, instance },
        status: Status::Succeeded,
        output: None,
        error: None,
        reason: None,
        started_at: None,
        finished_at: None,
        usage: None,
    }
}

fn ask(started: bool) -> Order {
    Order::Claim {
        claim: claim(),
        started,
    }
}

/// A book with one run that goes on.
fn running(now: Instant) -> Book {
    let mut book = Book::default();
    let order = book.delivered(claim(), offer(Some(grant())), false, now, CLOCK);
    assert_eq!(order, Some(Order::Start { claim: claim() }));
    book
}

#[test]
fn a_delivery_is_claimed_before_it_starts_and_again_until_it_is_answered() {
    let now = Instant::now();
    let mut book = Book::default();
    assert_eq!(
        book.delivered(claim(), offer(None), false, now, CLOCK),
        Some(ask(false))
    );
    assert_eq!(book.due(now + CLOCK.repeat, CLOCK), [ask(false)]);
    let order = book.granted(grant(), now + CLOCK.repeat, CLOCK);
    assert_eq!(order, Some(Order::Start { claim: claim() }));
    assert!(book.due(now + CLOCK.repeat * 5, CLOCK).is_empty());
}

#[test]
fn h26_a_grant_that_comes_late_is_claimed_again_and_not_started() {
    let now = Instant::now();
    let mut book = Book::default();
    book.delivered(claim(), offer(None), false, now, CLOCK);
    let late = now + CLOCK.fresh + Duration::from_secs(1);
    assert_eq!(book.granted(grant(), late, CLOCK), Some(ask(false)));
    let order = book.granted(grant(), late, CLOCK);
    assert_eq!(order, Some(Order::Start { claim: claim() }));
}

#[test]
fn h27_what_waited_while_the_agent_stood_still_is_claimed_until_it_is_welcome_again() {
    let now = Instant::now();
    let mut book = Book::default();
    book.stood_still();
    let order = book.delivered(claim(), offer(Some(grant())), false, now, CLOCK);
    assert_eq!(order, Some(ask(false)), "it may be another's by now");
    assert!(book.held().is_empty(), "so it is no run, and not listed");
    assert!(
        book.rejoined(now, CLOCK).is_empty(),
        "and not claimed as started"
    );
    let order = book.granted(grant(), now, CLOCK);
    assert_eq!(order, Some(Order::Start { claim: claim() }), "still ours");

    let mut book = Book::default();
    book.stood_still();
    book.rejoined(now, CLOCK);
    let order = book.delivered(claim(), offer(Some(grant())), false, now, CLOCK);
    let start = Some(Order::Start { claim: claim() });
    assert_eq!(order, start, "sent after the hello: fresh");
}

#[test]
fn h22_a_second_copy_of_a_grant_starts_nothing() {
    let now = Instant::now();
    let mut book = running(now);
    let order = book.delivered(claim(), offer(Some(grant())), false, now, CLOCK);
    assert_eq!(order, Some(ask(true)), "a question");
    assert_eq!(book.len(), 1);
}

#[test]
fn a_question_is_answered_once_and_the_answer_to_it_is_no_question() {
    let now = Instant::now();
    let mut book = running(now);
    assert_eq!(
        book.granted(grant(), now, CLOCK),
        Some(ask(true)),
        "a question"
    );
    assert_eq!(book.granted(grant(), now, CLOCK), None, "its answer");
    assert!(
        book.due(now + CLOCK.repeat, CLOCK).is_empty(),
        "and then there is rest"
    );
}

#[test]
fn after_a_reconnect_every_run_is_claimed_as_started_until_it_is_answered() {
    let now = Instant::now();
    let mut book = running(now);
    book.disconnected();
    assert_eq!(book.rejoined(now, CLOCK), [ask(true)]);
    assert_eq!(
        book.due(now + CLOCK.repeat, CLOCK),
        [ask(true)],
        "the answer was lost"
    );
    assert_eq!(book.granted(grant(), now + CLOCK.repeat, CLOCK), None);
    assert!(book.due(now + CLOCK.repeat * 3, CLOCK).is_empty());
}

#[test]
fn t6_what_has_not_started_is_dropped_with_the_connection_and_a_late_grant_for_it_ignored() {
    let now = Instant::now();
    let mut book = Book::default();
    book.delivered(claim(), offer(None), false, now, CLOCK);
    book.disconnected();
    assert!(book.is_empty());
    assert_eq!(book.granted(grant(), now, CLOCK), None);
}

#[test]
fn t1_an_outcome_is_said_again_until_it_is_recorded() {
    let now = Instant::now();
    let mut book = running(now);
    let report = Order::Report { claim: claim() };
    assert_eq!(
        book.over(claim(), outcome(), now, CLOCK),
        Some(Order::Report { claim: claim() })
    );
    assert_eq!(book.held().len(), 1, "it is still listed");
    assert_eq!(book.due(now + CLOCK.again, CLOCK), [report]);
    let dropped = book.recorded(grant().task_id, 1);
    assert_eq!(dropped, Some(Order::Drop { claim: claim() }));
    assert!(book.is_empty());
}

#[test]
fn t4_a_run_that_is_revoked_stops_and_reports_nothing() {
    let now = Instant::now();
    let mut book = running(now);
    let stop = Order::Stop { claim: claim() };
    assert_eq!(
        book.revoked(grant().task_id, 2),
        None,
        "another grant is meant"
    );
    assert_eq!(book.revoked(grant().task_id, 1), Some(stop));
    assert_eq!(book.over(claim(), outcome(), now, CLOCK), None);
}

#[test]
fn t4_a_grant_that_its_revoke_overtook_does_not_start() {
    let now = Instant::now();
    let dropped = Some(Order::Drop { claim: claim() });
    let mut book = Book::default();
    assert_eq!(book.revoked(grant().task_id, 1), None, "not known yet");
    let order = book.delivered(claim(), offer(Some(grant())), false, now, CLOCK);
    assert_eq!(order, dropped, "the delivery is the claim");
    assert!(book.is_empty());

    book.delivered(claim(), offer(None), false, now, CLOCK);
    assert_eq!(book.granted(grant(), now, CLOCK), dropped, "claimed");
    assert!(book.is_empty());

    let next = Granted {
        epoch: 2,
        ..grant()
    };
    let order = book.delivered(claim(), offer(Some(next)), false, now, CLOCK);
    let start = Some(Order::Start { claim: claim() });
    assert_eq!(
        order, start,
        "the next grant of the same task is another one"
    );
}

#[test]
fn t4_so_many_revokes_are_remembered_and_no_more() {
    let mut book = Book::default();
    for epoch in 0..5_000 {
        book.revoked(grant().task_id, epoch);
    }
    assert_eq!(book.taken_back.len(), super::TAKEN_BACK);
    assert_eq!(book.taken_back.back(), Some(&(grant().task_id, 4_999)));
}

/// A fast offer: the message says under what it starts.
fn fast() -> Offer {
    Offer {
        attempt: Some(3),
        epoch: Some(7),
        ..offer(None)
    }
}

#[test]
fn a_fast_offer_starts_at_once_under_what_its_message_says() {
    let (mut book, now) = (Book::default(), Instant::now());
    let order = book.delivered(claim(), fast(), false, now, CLOCK);
    assert_eq!(order, Some(Order::Start { claim: claim() }));
    let held = &book.held()[0];
    assert_eq!((held.attempt, held.epoch), (3, 7));
    assert_eq!(book.run_of(held.task_id, 1), Some(claim()));
}

#[test]
fn a_fast_run_is_acknowledged_once_a_server_has_granted_it() {
    let (mut book, now) = (Book::default(), Instant::now());
    book.delivered(claim(), fast(), false, now, CLOCK);
    let later = now + CLOCK.repeat;
    // It waits for a slot: nobody is told, and nothing is acknowledged.
    assert_eq!(book.hand_over(claim(), later), None);
    book.began(claim());
    assert_eq!(book.hand_over(claim(), later), Some(ask(true)));
    assert_eq!(book.hand_over(claim(), later), None, "asked already");
    assert_eq!(book.due(later, CLOCK), [ask(true)]);
    let granted = Granted {
        attempt: 3,
        epoch: 7,
        ..grant()
    };
    assert_eq!(book.granted(granted, later, CLOCK), None);
    let ack = Order::Ack { claim: claim() };
    assert_eq!(book.hand_over(claim(), later), Some(ack));
}
