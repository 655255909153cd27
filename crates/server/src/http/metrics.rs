//! Metrics as Prometheus reads them: gauges from the store's counts, few labels, never an id.

use crate::failure::Answer;
use crate::http::health::VERSION;
use crate::reading::Params;
use crate::state::App;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use std::collections::BTreeMap;
use std::fmt::Write;
use warrener_engine::orchestrator::{AgentView, BreakerView, LaneView, Phase};
use warrener_model::agent::Presence;

/// Lanes that are shown by name; the tasks of the others are summed up, or a scrape would grow without bound.
const LANES: usize = 200;
/// The name of the others.
const OTHERS: &str = "__other__";

/// Metrics, for Prometheus
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "server",
    responses((status = 200, description = "Text exposition format 0.0.4", body = String, content_type = "text/plain"))
)]
pub(crate) async fn get(State(app): State<App>, params: Params) -> Answer<impl IntoResponse> {
    params.only(&[])?;
    let lanes = app.orchestrator.lanes().await?;
    let (agents, refusals) = (app.orchestrator.agents(), app.orchestrator.refusals());
    let breakers = app.orchestrator.breakers();
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    Ok((kind, text(&lanes, &agents, &breakers, &refusals)))
}

fn text(
    lanes: &[LaneView],
    agents: &[AgentView],
    breakers: &[BreakerView],
    refusals: &BTreeMap<String, u64>,
) -> String {
    let mut out = Exposition::default();
    out.family("warrener_build_info", "gauge", "The software, always 1.");
    out.sample("warrener_build_info", &[("version", VERSION)], 1);
    out.family("warrener_tasks", "gauge", "Tasks by lane and state.");
    for ((lane, state), count) in tasks(lanes) {
        out.sample("warrener_tasks", &[("lane", lane), ("state", state)], count);
    }
    out.family("warrener_agents", "gauge", "Agents by how they are seen.");
    let mut states = BTreeMap::from([("up", 0), ("draining", 0), ("lost", 0), ("left", 0)]);
    let (mut slots, mut busy) = (0, 0);
    for AgentView { agent, holds } in agents {
        *states.entry(agent.presence.as_str()).or_default() += 1;
        if matches!(agent.presence, Presence::Up | Presence::Draining) {
            slots += u64::from(agent.card.slots);
            busy += holds.len() as u64;
        }
    }
    for (state, count) in states {
        out.sample("warrener_agents", &[("state", state)], count);
    }
    out.family(
        "warrener_agent_slots",
        "gauge",
        "Slots of the agents that are there.",
    );
    out.sample("warrener_agent_slots", &[], slots);
    out.family(
        "warrener_agent_slots_busy",
        "gauge",
        "Slots that hold a task.",
    );
    out.sample("warrener_agent_slots_busy", &[], busy);
    // Those of kinds that never failed would make a scrape as long as the list of kinds.
    let changed = || breakers.iter().filter(|view| view.since.is_some());
    let name = "warrener_circuit_breaker_state";
    out.family(
        name,
        "gauge",
        "1 for how the breaker of a kind stands, once it was open.",
    );
    for view in changed() {
        for phase in Phase::ALL {
            let labels = [("breaker", view.kind.as_str()), ("state", phase.as_str())];
            out.sample(name, &labels, u64::from(phase == view.phase));
        }
    }
    let name = "warrener_circuit_breaker_transitions_total";
    out.family(
        name,
        "counter",
        "How often the breaker of a kind became this.",
    );
    for view in changed() {
        for (phase, count) in &view.changes {
            let labels = [("breaker", view.kind.as_str()), ("to", phase.as_str())];
            out.sample(name, &labels, *count);
        }
    }
    let help = "Messages and runs that were refused since the start.";
    out.family("warrener_refused_total", "counter", help);
    for (refusal, count) in refusals {
        let (what, reason) = refusal.split_once('/').unwrap_or((refusal, ""));
        out.sample(
            "warrener_refused_total",
            &[("what", what), ("reason", reason)],
            *count,
        );
    }
    out.0
}

fn tasks(lanes: &[LaneView]) -> BTreeMap<(&str, &str), u64> {
    let mut sums = BTreeMap::new();
    for (place, lane) in lanes.iter().enumerate() {
        let name = if place < LANES {
            lane.settings.lane.as_str()
        } else {
            OTHERS
        };
        for (state, count) in &lane.tasks {
            *sums.entry((name, state.as_str())).or_default() += count;
        }
    }
    sums
}

#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        match labels.is_empty() {
            true => self.line(format_args!("{name} {value}")),
            false => self.line(format_args!("{name}{{{}}} {value}", labels.join(","))),
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("writing to a string does not fail");
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_backend::store::LaneSettings;
    use warrener_model::{Kind, Lane, State, Timestamp};

    fn lane(name: &str, ready: u64) -> LaneView {
        LaneView {
            settings: LaneSettings {
                lane: Lane::new(name).unwrap(),
                paused: false,
                reason: None,
                since: None,
            },
            start: warrener_model::life::Start::Claim,
            tasks: BTreeMap::from([(State::Ready, ready)]),
            oldest_ready: None,
            slots: 0,
            free: 0,
        }
    }

    #[test]
    fn lanes_without_end_are_summed_up_and_labels_are_escaped() {
        let lanes: Vec<LaneView> = (0..LANES + 3)
            .map(|n| lane(&format!("l{n:04}"), 2))
            .collect();
        let refusals = BTreeMap::from([("outcome/a\"b\n".to_owned(), 7)]);
        let breaker = BreakerView {
            kind: Kind::new("push").unwrap(),
            phase: Phase::Open,
            since: Some(Timestamp::from_millis(1)),
            wait: None,
            failures: 0,
            error: None,
            changes: vec![(Phase::Open, 3)],
        };
        let text = text(&lanes, &[], &[breaker], &refusals);
        assert!(text.contains("warrener_tasks{lane=\"l0000\",state=\"ready\"} 2\n"));
        assert!(text.contains("warrener_tasks{lane=\"__other__\",state=\"ready\"} 6\n"));
        assert!(text.contains("warrener_refused_total{what=\"outcome\",reason=\"a\\\"b\\n\"} 7\n"));
        assert!(text.contains("warrener_agent_slots 0\n"));
        let state = "warrener_circuit_breaker_state{breaker=\"push\",state=";
        assert!(text.contains(&format!("{state}\"open\"}} 1\n")));
        assert!(text.contains(&format!("{state}\"half_open\"}} 0\n")));
        let changes =
            "warrener_circuit_breaker_transitions_total{breaker=\"push\",to=\"open\"} 3\n";
        assert!(text.contains(changes));
    }
}
