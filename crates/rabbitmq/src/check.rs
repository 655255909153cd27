//! What a person would want to know of a broker before anything relies on it: a list of findings. Nothing is changed.

use crate::amqp::{Channel, Connection, Fault, Greeting, Letter, Life, Target, greet};
use crate::names::{Group, Names, Route};
use crate::settings::Settings;
use crate::topology::{self, Drift, Part};
use std::time::Duration;
use tokio::time::timeout;
use warrener_backend::broker::{Address, Inbox, Message};
use warrener_model::id::MessageId;
use warrener_model::name::Lane;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// Worth knowing.
    Note,
    /// It works, but not for ever or not everywhere.
    Warning,
    /// It does not work.
    Critical,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable: `url greeting version login topology drift permission alarm consumer_timeout`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is so.
    pub what: String,
    /// What to do about it; empty if nothing.
    pub remedy: String,
}

/// What was found, in the order it was looked at. The first that is critical may be the last.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, id: &'static str, severity: Severity, what: impl ToString, remedy: &str) {
        self.0.push(Finding {
            id,
            severity,
            what: what.to_string(),
            remedy: remedy.to_owned(),
        });
    }
}

/// Looks at the broker of these settings, and at the queues of these lanes. Connects by itself, and asks nobody else.
pub async fn check(settings: &Settings, lanes: &[Lane]) -> Vec<Finding> {
    let mut findings = Findings::default();
    look(settings, lanes, &mut findings).await;
    findings.0
}

async fn look(settings: &Settings, lanes: &[Lane], findings: &mut Findings) {
    let target = match Target::read(settings) {
        Ok(target) => target,
        Err(error) => return findings.add("url", Severity::Critical, error, "correct broker.url"),
    };
    match greet(&target, settings.connect_deadline).await {
        Ok(greeting) => version(&greeting, findings),
        Err(fault) => {
            let remedy =
                "see that the broker runs, and that host, port and scheme of broker.url are right";
            let what = format!("{target} does not answer: {fault}");
            return findings.add("greeting", Severity::Critical, what, remedy);
        }
    }
    let waits = (settings.connect_deadline, settings.answer_deadline);
    let connection = match Connection::open(&target, "warrener check", waits).await {
        Ok(connection) => connection,
        Err(fault) => {
            let remedy =
                "see user, password and vhost of broker.url, and the permissions of that user";
            let what = format!("{target} does not let us in: {fault}");
            return findings.add("login", Severity::Critical, what, remedy);
        }
    };
    findings.add("login", Severity::Fine, format!("{target} lets us in"), "");
    shapes(settings, lanes, &connection, findings).await;
    alarm(settings, &target, &connection, findings).await;
    connection.close().await;
}

/// What is known of versions (tested: 3.10, 4.0 and 4.3).
fn version(greeting: &Greeting, findings: &mut Findings) {
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
    if numbers < [4, 3, 0] {
        let what = "a delivery that is held longer than the broker's consumer_timeout (30 minutes, if nobody changed it) ends its channel";
        let remedy = "nothing, as long as it is longer than the handoff time (60 s)";
        findings.add("consumer_timeout", Severity::Note, what, remedy);
    }
}

/// Each object that exists is declared again as it should be, which makes nothing and tells what differs.
async fn shapes(
    settings: &Settings,
    lanes: &[Lane],
    connection: &Connection,
    findings: &mut Findings,
) {
    let names = Names::new(&settings.namespace);
    let inboxes = [
        Inbox::Results,
        Inbox::Presence,
        Inbox::Signals,
        Inbox::Submit,
    ];
    let mut addresses: Vec<Address> = inboxes.map(Address::Inbox).into();
    addresses.extend(lanes.iter().cloned().map(Address::Offers));
    let mut parts = topology::base(&names);
    parts.extend(topology::parts(&names, &settings.limits, &addresses));
    parts.push(topology::owner(&names));
    let (mut seen, mut bad) = (Vec::new(), false);
    for part in parts {
        let (Part::Exchange(name, _) | Part::Queue(name, _)) = &part else {
            continue;
        };
        let name = name.clone();
        if seen.contains(&(name.clone(), matches!(part, Part::Queue(..)))) {
            continue;
        }
        seen.push((name.clone(), matches!(part, Part::Queue(..))));
        if let Err(fault) = shape(connection, &part, settings.is_server()).await {
            bad |= differs(&name, &fault, findings);
        }
    }
    if !bad {
        let what = format!(
            "what exists of namespace {} is as it should be",
            settings.namespace
        );
        findings.add("topology", Severity::Fine, what, "");
    }
}

async fn shape(connection: &Connection, part: &Part, server: bool) -> Result<(), Fault> {
    let channel: Channel = connection.channel().await?;
    match part {
        Part::Exchange(name, _) => channel.find_exchange(name).await?,
        Part::Queue(name, _) => drop(channel.find_queue(name).await?),
        Part::Binding { .. } => {}
    }
    // Agents may not declare; that it is there is all they need.
    if server {
        topology::declare(&channel, std::slice::from_ref(part)).await?;
    }
    channel.close().await;
    Ok(())
}

/// Whether that is bad.
fn differs(name: &str, fault: &Fault, findings: &mut Findings) -> bool {
    if let Some(drift) = Drift::read(fault) {
        let what = format!(
            "{} has {} = {}, and should have {}",
            drift.object, drift.argument, drift.is, drift.should
        );
        findings.add("drift", Severity::Critical, what, &drift.remedy());
        return true;
    }
    if fault.is_not_found() {
        let what = format!("{name} does not exist yet");
        let remedy = "a server makes it when it starts, or when a lane gets its first agent";
        findings.add("topology", Severity::Note, what, remedy);
        return false;
    }
    let (id, remedy) = match fault.is_refused() {
        true => (
            "permission",
            "give the user the permissions of its role on this vhost",
        ),
        false => (
            "topology",
            "see the broker's log; without a majority of its nodes it does not answer",
        ),
    };
    findings.add(id, Severity::Critical, format!("{name}: {fault}"), remedy);
    true
}

/// The broker says that it is blocked to those only that publish: so one message is, to nobody.
async fn alarm(
    settings: &Settings,
    target: &Target,
    connection: &Connection,
    findings: &mut Findings,
) {
    let answered = published(target, connection, settings.confirm_deadline).await;
    let life = connection.life().borrow().clone();
    match (life, answered) {
        (Life::Blocked(why), _) => {
            let what = format!("the broker takes nothing: {why}");
            let remedy = "free memory or disk on its nodes; publishing goes on by itself then";
            findings.add("alarm", Severity::Critical, what, remedy);
        }
        (_, Ok(())) => findings.add("alarm", Severity::Fine, "the broker takes messages", ""),
        (_, Err(fault)) => {
            let what = format!("a message was not confirmed: {fault}");
            let remedy = "see the broker's log, and that the user may write to amq.default";
            findings.add("alarm", Severity::Warning, what, remedy);
        }
    }
}

async fn published(
    target: &Target,
    connection: &Connection,
    within: Duration,
) -> Result<(), Fault> {
    let channel = connection.channel().await?;
    channel.confirm().await?;
    let message = Message {
        id: MessageId::from_bytes(std::array::from_fn(|_| fastrand::u8(..))),
        kind: "check".into(),
        store: None,
        sender: None,
        trace: None,
        body: "{}".into(),
        reason: None,
    };
    let route = Route {
        exchange: String::new(),
        key: "warrener-check-reaches-nobody".into(),
        mandatory: false,
        group: Group::Control,
    };
    let letter = Letter::new(route, message, None, target.user());
    let letter = letter.map_err(|error| Fault::local(error.to_string()))?;
    match timeout(within, channel.publish(letter)).await {
        Ok(confirm) => confirm.map(drop),
        Err(_) => Err(Fault::late("a publish")),
    }
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
}
