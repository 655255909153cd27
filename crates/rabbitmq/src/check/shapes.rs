//! Whether what exists is as it should be. Each object is declared again, which makes nothing and tells what differs.

use super::{Findings, Ground, Severity};
use crate::amqp::{Connection, Fault};
use crate::names::Names;
use crate::settings::Role;
use crate::topology::{self, Drift, Part};
use warrener_backend::broker::{Address, Inbox};

/// What exists.
#[derive(Debug, Default)]
pub(super) struct There {
    exchanges: Vec<String>,
    queues: Vec<String>,
    /// What could not be looked at, with the broker's words for it.
    pub(super) refused: Vec<(String, Fault)>,
}

impl There {
    pub(super) fn has_exchange(&self, name: &str) -> bool {
        self.exchanges.iter().any(|exchange| exchange == name)
    }

    pub(super) fn has_queue(&self, name: &str) -> bool {
        self.queues.iter().any(|queue| queue == name)
    }

    fn is_empty(&self) -> bool {
        self.exchanges.is_empty() && self.queues.is_empty()
    }
}

pub(super) async fn look(
    ground: &Ground<'_>,
    connection: &Connection,
    findings: &mut Findings,
) -> There {
    let (mut there, mut absent, mut bad) = (There::default(), Vec::new(), false);
    for part in parts(ground) {
        let (Part::Exchange(name, _) | Part::Queue(name, _)) = &part else {
            continue;
        };
        match shape(connection, &part, ground.settings.is_server()).await {
            Err(fault) if fault.is_not_found() => {
                // An exchange and a queue may have one name.
                if !absent.contains(name) {
                    absent.push(name.clone());
                }
                continue;
            }
            Err(fault) => {
                bad = true;
                if fault.is_refused() {
                    there.refused.push((name.clone(), fault));
                } else {
                    differs(name, &fault, findings);
                }
            }
            Ok(()) => {}
        }
        match part {
            Part::Queue(name, _) => there.queues.push(name),
            Part::Exchange(name, _) => there.exchanges.push(name),
            Part::Binding { .. } => {}
        }
    }
    let namespace = ground.names.space();
    if there.is_empty() {
        let what = format!("nothing of namespace {namespace} exists yet");
        let remedy = "nothing: a server makes it when it starts, and agents wait for that";
        findings.add("topology", Severity::Note, what, remedy);
        return there;
    }
    if !absent.is_empty() {
        let what = format!("not there yet: {}", absent.join(", "));
        let remedy =
            "nothing: a server makes it when it starts, or when a lane gets its first agent";
        findings.add("topology", Severity::Note, what, remedy);
    }
    if !bad {
        let what = format!("what exists of namespace {namespace} is as it should be");
        findings.fine("topology", what);
    }
    there
}

/// What this end has to do with, each once.
fn parts(ground: &Ground<'_>) -> Vec<Part> {
    let Ground {
        names, settings, ..
    } = ground;
    let lanes = ground.purpose.lanes.iter().cloned().map(Address::Offers);
    let inboxes = [
        Inbox::Results,
        Inbox::Presence,
        Inbox::Signals,
        Inbox::Submit,
    ];
    let mut addresses: Vec<Address> = inboxes.map(Address::Inbox).into();
    addresses.extend(lanes);
    let mut parts = topology::base(names);
    parts.extend(topology::parts(names, &settings.limits, &addresses));
    parts.push(topology::owner(names));
    if let Role::Agent(_) = settings.role {
        let inbox = names.inbox_exchange();
        parts.retain(|part| match part {
            Part::Exchange(name, _) => *name == inbox,
            Part::Queue(name, _) => is_work(names, ground, name),
            Part::Binding { .. } => false,
        });
    }
    let mut once: Vec<Part> = Vec::new();
    for part in parts {
        if !once.contains(&part) {
            once.push(part);
        }
    }
    once
}

fn is_work(names: &Names, ground: &Ground<'_>, queue: &str) -> bool {
    let mut lanes = ground.purpose.lanes.iter();
    lanes.any(|lane| names.offers(lane) == queue)
}

async fn shape(connection: &Connection, part: &Part, server: bool) -> Result<(), Fault> {
    let channel = connection.channel().await?;
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

fn differs(name: &str, fault: &Fault, findings: &mut Findings) {
    if let Some(drift) = Drift::read(fault) {
        let what = format!(
            "{} has {} = {}, and should have {}",
            drift.object, drift.argument, drift.is, drift.should
        );
        return findings.add("drift", Severity::Critical, what, drift.remedy());
    }
    let remedy = "see the broker's log; without a majority of its nodes it does not answer";
    let what = format!("{name}: {fault}");
    findings.add("topology", Severity::Critical, what, remedy);
}
