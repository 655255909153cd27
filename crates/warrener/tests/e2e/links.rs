//! Agents whose link breaks. On RabbitMQ the end of a server breaks nothing.

use crate::harness::{Place, until};
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
