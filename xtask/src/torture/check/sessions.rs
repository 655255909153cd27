//! The rules for tasks that ask agents before they start: pure, like the others.

use std::collections::BTreeSet;

use super::super::witness::What;
use super::{Evidence, Finding, found};

/// The session of each such task is there and over, and no other is.
pub(super) fn unfinished(evidence: &Evidence) -> Vec<Finding> {
    let asked: BTreeSet<&str> = evidence
        .accepted
        .iter()
        .filter(|task| task.asks)
        .map(|task| task.id.as_str())
        .collect();
    let sessions = &evidence.rows.sessions;
    let gone = asked.iter().filter(|id| !sessions.contains_key(**id));
    let gone = gone.map(|id| found(id, "it asks, and its session is not in the store"));
    let wrong = sessions.iter().filter_map(|(id, session)| {
        let over = ["decided", "no_decision", "cancelled"].contains(&session.state.as_str());
        match (asked.contains(id.as_str()), over && !session.due) {
            (true, true) => None,
            (true, false) => Some(found(id, format!("its session is {}", session.state))),
            (false, _) => Some(found(id, "a session that nobody asked for")),
        }
    });
    gone.chain(wrong).collect()
}

/// Each agent has one voice in a round.
pub(super) fn voices(evidence: &Evidence) -> Vec<Finding> {
    let mut wrong = vec![];
    for (id, session) in &evidence.rows.sessions {
        let mut heard = BTreeSet::new();
        for voice in &session.voices {
            if !heard.insert(voice) {
                let (round, agent) = voice;
                wrong.push(found(
                    id,
                    format!("{agent} has two voices in round {round}"),
                ));
            }
        }
    }
    wrong
}

/// No program of such a task was started without what was decided.
pub(super) fn decisions(evidence: &Evidence) -> Vec<Finding> {
    let started: BTreeSet<&str> = evidence
        .lines
        .iter()
        .filter(|line| line.what == What::Start)
        .map(|line| line.task.as_str())
        .collect();
    let asked = evidence.accepted.iter().filter(|task| task.asks);
    let ran = asked.filter(|task| started.contains(task.id.as_str()));
    ran.filter(|task| {
        let row = evidence.rows.tasks.get(&task.id);
        row.is_some_and(|row| !row.decided)
    })
    .map(|task| found(&task.id, "it ran, and has no decision in its input"))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::load::Accepted;
    use super::super::super::rows::Task;
    use super::super::super::session_rows::Session;
    use super::super::super::step::Manner;
    use super::super::super::witness::Line;
    use super::*;

    /// A task that asked, was told what was decided, and ran.
    fn sound() -> Evidence {
        let mut evidence = Evidence {
            accepted: vec![Accepted {
                id: "t".into(),
                key: "k".into(),
                manner: Manner::Well,
                asks: true,
            }],
            lines: vec![Line {
                what: What::Start,
                task: "t".into(),
                attempt: 1,
                epoch: 1,
                pid: 7,
                at: 1,
                agent: "a1".into(),
            }],
            ..Evidence::default()
        };
        let session = Session {
            state: "decided".into(),
            due: false,
            voices: vec![(1, "a1".into()), (1, "a2".into())],
        };
        evidence.rows.sessions.insert("t".into(), session);
        let task = Task {
            decided: true,
            ..Task::default()
        };
        evidence.rows.tasks.insert("t".into(), task);
        evidence
    }

    fn with(change: impl FnOnce(&mut Evidence)) -> [usize; 3] {
        let mut evidence = sound();
        change(&mut evidence);
        [unfinished, voices, decisions].map(|rule| rule(&evidence).len())
    }

    #[test]
    fn each_rule_finds_what_it_is_there_for() {
        assert_eq!(with(|_| {}), [0, 0, 0]);
        assert_eq!(with(|e| e.rows.sessions.clear()), [1, 0, 0]);
        assert_eq!(with(|e| own(e).state = "open".into()), [1, 0, 0]);
        assert_eq!(with(|e| own(e).due = true), [1, 0, 0]);
        assert_eq!(with(|e| e.accepted[0].asks = false), [1, 0, 0]);
        assert_eq!(with(|e| own(e).voices.push((1, "a2".into()))), [0, 1, 0]);
        assert_eq!(with(|e| own(e).voices.push((2, "a2".into()))), [0, 0, 0]);
        let undecided = |e: &mut Evidence| e.rows.tasks.get_mut("t").unwrap().decided = false;
        assert_eq!(with(undecided), [0, 0, 1]);
    }

    fn own(evidence: &mut Evidence) -> &mut Session {
        evidence.rows.sessions.get_mut("t").unwrap()
    }
}
