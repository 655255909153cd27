//! Requests that are right, and requests with mistakes.

use super::*;

fn check(text: &str) -> Result<Task, Vec<Mistake>> {
    let now = Timestamp::from_millis(1_000_000);
    Submission::read(text)?.check(TaskId::new(now, [0; 10]), now)
}

#[test]
fn the_smallest_request_is_a_kind() {
    let task = check(r#"{"kind":"review"}"#).unwrap();
    assert_eq!(task.spec.lane.as_str(), "default");
    assert_eq!(task.life.max_attempts, 25);
    assert_eq!(task.life.state, crate::State::Ready);
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let text = r#"{"kind":"No","lane":"dead","title":"T","delay_ms":1,"not_before":"2026-01-01T00:00:00Z",
        "max_attempts":0,"timeout_ms":0,"labels":{"a b":"x"}}"#;
    let places: Vec<String> = check(text)
        .unwrap_err()
        .into_iter()
        .map(|m| m.pointer)
        .collect();
    assert_eq!(
        places,
        [
            "/kind",
            "/lane",
            "/max_attempts",
            "/timeout_ms",
            "/labels/a b",
            "/delay_ms"
        ]
    );
}

#[test]
fn an_unknown_field_is_a_mistake_with_a_suggestion() {
    let mistakes = check(r#"{"kind":"a","priorty":"high"}"#).unwrap_err();
    assert_eq!(
        mistakes[0].message,
        "unknown field \"priorty\"; did you mean \"priority\"?"
    );
}

#[test]
fn a_field_of_the_wrong_type_is_named() {
    let mistakes = check(r#"{"kind":"a","timeout_ms":"5s"}"#).unwrap_err();
    assert_eq!(mistakes[0].pointer, "/timeout_ms");
    assert!(check("[]").is_err());
    assert!(check("nonsense").is_err());
}

#[test]
fn limits_are_named() {
    let long = format!(r#"{{"kind":"a","title":"{}"}}"#, "x".repeat(201));
    assert_eq!(
        check(&long).unwrap_err()[0].message,
        "has 201 characters; the limit is 200"
    );
    let deep = format!(
        r#"{{"kind":"a","input":{}{}}}"#,
        "[".repeat(65),
        "]".repeat(65)
    );
    assert!(
        check(&deep).unwrap_err()[0]
            .message
            .contains("levels of nesting")
    );
    let far = r#"{"kind":"a","delay_ms":999999999999}"#;
    assert!(check(far).unwrap_err()[0].message.contains("10 years"));
}

#[test]
fn names_within_retry_are_told_with_the_nearest() {
    let text = r#"{"kind":"b","retry":{"netwrok":{},"timeout":{"retrys":1}}}"#;
    let mistakes = Submission::read(text).unwrap_err();
    let told: Vec<(&str, bool)> = mistakes
        .iter()
        .map(|m| (m.pointer.as_str(), m.message.contains("did you mean")))
        .collect();
    assert_eq!(
        told,
        [("/retry/netwrok", true), ("/retry/timeout/retrys", true)]
    );
    let bare = Submission::default().check(
        TaskId::new(Timestamp::from_millis(1), [0; 10]),
        Timestamp::from_millis(1),
    );
    assert_eq!(
        bare.unwrap_err()[0].message,
        "is required: what sort of work it is"
    );
}
