//! Agents whose link breaks. On RabbitMQ the end of a server breaks nothing.

use crate::harness::{Place, port, until};
use rustix::process::Signal;

#[test]
fn defect_11_an_agent_without_a_server_ends_when_it_is_asked() {
    let place = Place::new();
    let server = place.server();
    let mut ann = place.agent("ann", "", "exec sleep 7777");
    server.kill_9();
    until("the loss of the connection", || {
        ann.err().contains("connection lost").then_some(())
    });
    ann.signal(Signal::TERM);
    assert_eq!(ann.ends(), Some(0), "{}", ann.err());
    place.until_gone("warrener guard");
    // And one whose server never was.
    let mut bob = place.agent_alone("bob", "--server http://127.0.0.1:9", "exec sleep 7777");
    place.until_runs("warrener guard");
    bob.signal(Signal::TERM);
    assert_eq!(bob.ends(), Some(0), "{}", bob.err());
}

#[test]
fn an_agent_says_once_that_its_server_is_away_and_once_that_it_is_back() {
    let place = Place::new();
    // Its token is that of the server that comes.
    let port = port();
    place.server_on(port).kill_9();
    let url = format!("http://127.0.0.1:{port}");
    let agent = place.agent_alone("ann", &format!("-v --server {url}"), "true");
    let said = |words: &str| agent.err().matches(words).count();
    let away = |times: usize| {
        until("the word about the server", || {
            (said("no link to the server") == times).then_some(())
        });
        // Several tries later it is still the same word.
        let tries = said("no link yet");
        until("more tries", || {
            (said("no link yet") >= tries + 3).then_some(())
        });
        assert_eq!(said("no link to the server"), times, "{}", agent.err());
    };
    away(1);
    let log = agent.err();
    let told = log
        .lines()
        .find(|line| line.contains("no link to the server"));
    for word in ["WARN", url.as_str(), "refused", "that the server runs"] {
        assert!(told.unwrap().contains(word), "no {word:?} in {told:?}");
    }
    let server = place.server_on(port);
    place.http().until_presence("ann", "up");
    assert_eq!(said("link is up"), 1);
    server.kill_9();
    away(2);
}
