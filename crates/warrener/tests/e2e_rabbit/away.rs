//! What people are told of a broker that cannot be reached and comes back.

use crate::harness::{Place, Process, until};
use crate::stage;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use warrener_testkit::proxy::Proxy;

/// The lines of a log with this level and message.
fn said(process: &Process, level: &str, message: &str) -> Vec<Value> {
    let log = process.err();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &Value| line["level"] == level && line["message"] == message)
        .collect()
}

#[test]
fn an_agent_says_once_that_its_broker_is_away_and_once_that_it_is_back() {
    let vhost = stage::vhost();
    let port = vhost.node().port();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let proxy = runtime.block_on(Proxy::start(address)).unwrap();
    let url = vhost
        .url()
        .replace(&format!(":{port}/"), &format!(":{}/", proxy.port()))
        .replace("guest:guest", "guest:gues%74");
    let place = stage::at(&url, Place::new);
    runtime.block_on(proxy.refuse()).unwrap();
    let agent = place.agent_alone("ann", "-v", "true");
    let away = |times: usize| {
        until("the word about the broker", || {
            (said(&agent, "WARN", "no connection to the broker").len() == times).then_some(())
        });
        // Several tries later it is still the same word.
        let tries = said(&agent, "DEBUG", "not connected").len();
        until("more tries", || {
            (said(&agent, "DEBUG", "not connected").len() >= tries + 6).then_some(())
        });
        let told = said(&agent, "WARN", "no connection to the broker");
        assert_eq!(told.len(), times, "{told:?}");
        let told = &told[times - 1];
        let text = |field: &str| told[field].as_str().unwrap().to_owned();
        assert!(text("broker").contains(&format!("127.0.0.1:{}", proxy.port())));
        assert!(text("reason").contains("refused"), "{told}");
        assert!(text("hint").contains("RabbitMQ runs there"), "{told}");
    };
    let back = |times: usize| {
        until("the word that it is back", || {
            (said(&agent, "INFO", "connected").len() == times).then_some(())
        });
    };
    away(1);
    runtime.block_on(proxy.admit()).unwrap();
    back(1);
    runtime.block_on(proxy.refuse()).unwrap();
    proxy.cut();
    away(2);
    runtime.block_on(proxy.admit()).unwrap();
    back(2);
    assert!(!agent.err().contains("gues%74"), "{}", agent.err());
}
