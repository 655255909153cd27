//! What versions are known for, and what this protocol does not tell: how long a delivery may be held, and policies.

use super::{Findings, Ground, Severity, policies};
use crate::amqp::Greeting;
use std::time::Duration;

/// RabbitMQ's own, where nobody has set another.
const CONSUMER_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// What is known of versions (tested: 3.10, 4.0 and 4.3).
pub(super) fn version(greeting: &Greeting, findings: &mut Findings) {
    let Greeting { product, version } = greeting;
    let what = format!("{product} {version}");
    if product != "RabbitMQ" {
        let remedy = "only RabbitMQ is known to work";
        return findings.add("version", Severity::Warning, what, remedy);
    }
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let numbers = [numbers.next(), numbers.next(), numbers.next()].map(Option::unwrap_or_default);
    let (severity, remedy) = match numbers {
        [..=2, ..] | [3, ..=9, _] => (
            Severity::Critical,
            "quorum queues keep dead letters safe from 3.10 on: upgrade",
        ),
        [4, 3, ..=4] => (
            Severity::Warning,
            "4.3.5 mends faults of dead letters and consumer timeouts: upgrade",
        ),
        _ => (Severity::Fine, ""),
    };
    findings.add("version", severity, what, remedy);
}

/// What can only be said, and how to see it.
pub(super) fn look(ground: &Ground<'_>, greeting: &Greeting, findings: &mut Findings) {
    if greeting.product != "RabbitMQ" {
        return;
    }
    consumer_timeout(ground.purpose.handoff, findings);
    match &ground.purpose.policed {
        Some(Ok(all)) => return policies::look(ground, all, findings),
        Some(Err(why)) => {
            let what = format!("the management API does not show policies: {why}");
            let remedy = "see its URL, and that the plugin is on: rabbitmq-plugins enable rabbitmq_management";
            return findings.add("policy", Severity::Warning, what, remedy);
        }
        None => {}
    }
    let (vhost, namespace) = (ground.target.vhost(), ground.names.space());
    let what = format!(
        "policies cannot be seen by this protocol, and one that matches {namespace}.* may drop or expire messages"
    );
    let remedy = format!(
        "name the management API (--management http://HOST:15672), or see rabbitmqctl list_queues -p '{vhost}' name policy operator_policy effective_policy_definition: for names that begin with {namespace}. nothing may set message-ttl, expires, max-length, max-length-bytes, overflow, delivery-limit or dead-letter-*; change the pattern of a policy that does (rabbitmqctl list_policies -p '{vhost}', list_operator_policies)"
    );
    findings.add("policy", Severity::Note, what, remedy);
}

/// A delivery that is held longer ends its channel, or its reader from 4.3 on, and another agent gets it.
fn consumer_timeout(handoff: Duration, findings: &mut Findings) {
    let ask = "rabbitmqctl eval 'application:get_env(rabbit, consumer_timeout).'";
    let held = format!(
        "agents hold a delivery for {} s at most",
        handoff.as_secs_f64()
    );
    if handoff >= CONSUMER_TIMEOUT {
        let what = format!(
            "{held} (timers.handoff), and the broker takes back what is held longer than its consumer_timeout: 30 min, unless somebody changed it"
        );
        let remedy =
            format!("set timers.handoff below it; this protocol does not tell the broker's: {ask}");
        return findings.add("consumer_timeout", Severity::Warning, what, remedy);
    }
    let what = format!(
        "{held}; the broker's consumer_timeout is 30 min, unless somebody changed it, which this protocol does not tell"
    );
    let remedy = format!("nothing, as long as it is longer: {ask}");
    findings.add("consumer_timeout", Severity::Note, what, remedy);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_lose_dead_letters_are_named() {
        for (number, expected) in [
            ("3.9.29", Severity::Critical),
            ("3.10.8", Severity::Fine),
            ("4.0.5", Severity::Fine),
            ("4.3.4", Severity::Warning),
            ("4.3.6", Severity::Fine),
            ("5.0.0", Severity::Fine),
        ] {
            let mut findings = Findings::default();
            let greeting = Greeting {
                product: "RabbitMQ".into(),
                version: number.into(),
            };
            version(&greeting, &mut findings);
            assert_eq!(findings.0[0].severity, expected, "{number}");
        }
    }

    #[test]
    fn a_handoff_that_the_broker_would_not_wait_for_is_a_warning() {
        for (minutes, expected) in [(1, Severity::Note), (30, Severity::Warning)] {
            let mut findings = Findings::default();
            consumer_timeout(Duration::from_secs(minutes * 60), &mut findings);
            assert_eq!(findings.0[0].severity, expected, "{minutes}");
        }
    }
}
