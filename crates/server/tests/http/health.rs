//! Health and metrics.

use crate::support::Server;
use serde_json::json;

#[test]
fn a_draining_server_lives_and_is_not_ready() {
    let server = Server::start();
    let ready = server.get("/readyz").ok();
    assert_eq!((&ready["ok"], &ready["checks"]), (&json!(true), &json!([])));
    let verbose = server.get("/readyz?verbose").ok();
    let names: Vec<&str> = verbose["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["store", "broker", "draining"]);
    server.orchestrator.drain();
    let reply = server.get("/readyz");
    assert_eq!(reply.status, 503);
    assert_eq!(reply.headers["content-type"], "application/json");
    let checks = reply.json()["checks"].clone();
    assert_eq!(
        (&checks[2]["name"], &checks[2]["ok"]),
        (&json!("draining"), &json!(false))
    );
    assert!(checks[2]["detail"].is_string());
    assert_eq!(server.get("/livez").ok()["ok"], true);
    server.get("/livez?x=1").problem(400, "bad_request");
}

#[test]
fn metrics_are_prometheus_text() {
    let server = Server::start();
    server.worker("ann");
    server.dead();
    server.submit(json!({"kind": "a", "lane": "bulk"}));
    let reply = server.get("/metrics");
    assert_eq!(reply.status, 200);
    assert!(
        reply.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    for line in [
        "warrener_tasks{lane=\"bulk\",state=\"ready\"} 1",
        "warrener_tasks{lane=\"default\",state=\"dead\"} 1",
        "warrener_agents{state=\"up\"} 1",
        "warrener_agents{state=\"lost\"} 0",
        "warrener_agent_slots 4",
        "warrener_agent_slots_busy 0",
        "# TYPE warrener_refused_total counter",
        "# TYPE warrener_build_info gauge",
    ] {
        assert!(
            reply.text.lines().any(|found| found == line),
            "{line} in\n{}",
            reply.text
        );
    }
    for line in reply.text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(
            name.starts_with("warrener_") && value.parse::<f64>().is_ok(),
            "{line}"
        );
    }
}
