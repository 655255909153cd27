//! Agents and lanes: rows that are written over.

use super::Harness;
use super::sample::{at, done, lane, who};
use warrener_backend::store::{LaneSettings, Op};
use warrener_model::agent::{Agent, Card, Presence, Role};
use warrener_model::name::Capability;

/// An agent that is up.
pub fn agent(name: &str) -> Agent {
    Agent {
        card: Card {
            who: who(name).into(),
            name: "Grün".into(),
            role: Role::Leader,
            lanes: vec![lane("a"), lane("b")],
            kinds: vec!["*".into()],
            capabilities: [(Capability::new("rust").expect("a capability"), 0.75)].into(),
            slots: 4,
            version: "0.1.0".into(),
            host: "box".into(),
        },
        presence: Presence::Up,
        drain: false,
        joined_at: at(1),
        seen_at: at(2),
    }
}

/// One row for each agent, whatever its boot.
pub async fn an_agent_is_as_it_was_written_last<H: Harness>(h: H) {
    let store = h.open().await;
    assert_eq!(store.agents().await.expect("agents"), []);
    for name in ["two", "one"] {
        done(&*store, Op::Agent(Box::new(agent(name)))).await;
    }
    let mut changed = agent("one");
    changed.presence = Presence::Draining;
    changed.drain = true;
    changed.seen_at = at(9);
    changed.card.slots = 1;
    done(&*store, Op::Agent(Box::new(changed.clone()))).await;
    let mut found = store.agents().await.expect("agents");
    found.sort_by_key(|agent| agent.card.who().agent);
    assert_eq!(found, [changed, agent("two")]);
}

/// Forgotten for good, until it is written again; who was never there is forgotten without a word.
pub async fn an_agent_that_is_forgotten_is_gone<H: Harness>(h: H) {
    let store = h.open().await;
    for name in ["two", "one"] {
        done(&*store, Op::Agent(Box::new(agent(name)))).await;
    }
    for name in ["one", "nobody"] {
        done(&*store, Op::Forget(who(name).agent)).await;
    }
    assert_eq!(store.agents().await.expect("agents"), [agent("two")]);
    done(&*store, Op::Agent(Box::new(agent("one")))).await;
    assert_eq!(store.agents().await.expect("agents").len(), 2);
}

/// One row for each lane.
pub async fn a_lane_is_as_it_was_set_last<H: Harness>(h: H) {
    let store = h.open().await;
    let set = |paused, reason: Option<&str>, since| LaneSettings {
        lane: lane("a"),
        paused,
        reason: reason.map(Into::into),
        since,
    };
    done(&*store, Op::Lane(set(true, Some("because"), Some(at(1))))).await;
    assert_eq!(
        store.lanes().await.expect("lanes"),
        [set(true, Some("because"), Some(at(1)))]
    );
    done(&*store, Op::Lane(set(false, None, None))).await;
    assert_eq!(
        store.lanes().await.expect("lanes"),
        [set(false, None, None)]
    );
}
