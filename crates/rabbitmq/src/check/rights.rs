//! Whether the user may do what this end does: make queues, write with the keys it uses, read.

use super::shapes::There;
use super::{Findings, Ground, Severity};
use crate::amqp::{Connection, Fault, Kind, Letter};
use crate::names::{Group, Route, inbox_types};
use crate::settings::Role;
use crate::topology;
use warrener_backend::broker::{Inbox, Message};
use warrener_model::agent::Who;
use warrener_model::id::MessageId;

/// What is tried.
#[derive(Debug)]
enum Trial {
    Make(String),
    Write(String, String),
    Read(String),
    /// A queue of our own, to that exchange.
    Bind(String),
}

/// One right: what the user lacks it for, and the broker's words for the first of them.
struct Lack {
    right: &'static str,
    of: Vec<String>,
    fault: Fault,
}

pub(super) async fn look(
    ground: &Ground<'_>,
    asking: &Connection,
    publishing: &Connection,
    there: There,
    findings: &mut Findings,
) {
    let (trials, remedy, who) = match &ground.settings.role {
        Role::Server => (of_server(ground, &there), for_server(ground), "a server"),
        Role::Agent(who) => (
            of_agent(ground, who, &there),
            for_agent(ground, who),
            "an agent",
        ),
    };
    let mut lacks = Vec::new();
    for (name, fault) in there.refused {
        lack(&mut lacks, "make", name, fault);
    }
    for trial in trials {
        // Where none can be made, none can be bound.
        let unmade = lacks.iter().any(|lack: &Lack| lack.right == "make");
        if unmade && matches!(trial, Trial::Bind(_)) {
            continue;
        }
        let done = match &trial {
            Trial::Write(exchange, key) => {
                try_write(ground, publishing, exchange.clone(), key.clone()).await
            }
            _ => ask(ground, asking, &trial).await,
        };
        // It may have gone since it was seen, and what else there is to say was said of its shape.
        if let Err(fault) = done
            && fault.is_refused()
        {
            let (right, name) = named(trial);
            lack(&mut lacks, right, name, fault);
        }
    }
    if lacks.is_empty() {
        findings.fine(
            "permission",
            format!("the user may do here what {who} does"),
        );
    }
    for Lack { right, of, fault } in lacks {
        let what = format!("the user may not {right} {}: {fault}", of.join(", "));
        findings.add("permission", Severity::Critical, what, remedy.clone());
    }
}

fn lack(lacks: &mut Vec<Lack>, right: &'static str, name: String, fault: Fault) {
    match lacks.iter_mut().find(|lack| lack.right == right) {
        Some(lack) if lack.of.contains(&name) => {}
        Some(lack) => lack.of.push(name),
        None => lacks.push(Lack {
            right,
            of: vec![name],
            fault,
        }),
    }
}

fn named(trial: Trial) -> (&'static str, String) {
    match trial {
        Trial::Make(queue) => ("make", queue),
        Trial::Write(exchange, _) if exchange.is_empty() => ("write to", "amq.default".into()),
        Trial::Write(exchange, key) if key.is_empty() => ("write to", exchange),
        Trial::Write(exchange, key) => ("write to", format!("{exchange} (key {key})")),
        Trial::Read(queue) => ("read", queue),
        Trial::Bind(exchange) => ("bind queues to", exchange),
    }
}

fn of_server(ground: &Ground<'_>, there: &There) -> Vec<Trial> {
    let names = &ground.names;
    let mut trials = vec![
        Trial::Make(ground.own_queue()),
        Trial::Write(String::new(), ground.own_queue()),
    ];
    let topics = names.topic_exchanges().map(|topic| {
        let key = format!("{topic}.check");
        (topic, key)
    });
    let written = [
        (names.tasks_exchange(), "default".to_owned()),
        (names.dead_exchange(), String::new()),
    ];
    let written = written.into_iter().chain(topics);
    let written = written.filter(|(exchange, _)| there.has_exchange(exchange));
    trials.extend(written.map(|(exchange, key)| Trial::Write(exchange, key)));
    let read = Inbox::ALL.map(|inbox| names.inbox(inbox)).into_iter();
    let read = read.chain([names.dead(), names.owner()]);
    trials.extend(read.filter(|queue| there.has_queue(queue)).map(Trial::Read));
    let bound = [names.inbox_exchange(), names.tasks_exchange()].into_iter();
    let bound = bound.filter(|exchange| there.has_exchange(exchange));
    trials.extend(bound.map(Trial::Bind));
    trials
}

fn of_agent(ground: &Ground<'_>, who: &Who, there: &There) -> Vec<Trial> {
    let names = &ground.names;
    let mut trials = vec![Trial::Make(names.control(who))];
    let inbox = names.inbox_exchange();
    if there.has_exchange(&inbox) {
        let types = [Inbox::Results, Inbox::Presence, Inbox::Signals].map(inbox_types);
        for kind in types.concat() {
            let key = format!("{kind}.{}", who.agent);
            trials.push(Trial::Write(inbox.clone(), key));
        }
    }
    let work = ground.purpose.lanes.iter().map(|lane| names.offers(lane));
    trials.extend(work.filter(|queue| there.has_queue(queue)).map(Trial::Read));
    trials
}

fn for_server(ground: &Ground<'_>) -> String {
    let (vhost, space) = (ground.target.vhost(), ground.names.space());
    format!(
        r"rabbitmqctl set_permissions -p '{vhost}' USER '^{space}\.' '^({space}\..*|amq\.default)$' '^{space}\.'; see rabbitmqctl list_topic_permissions -p '{vhost}', too"
    )
}

fn for_agent(ground: &Ground<'_>, who: &Who) -> String {
    let (vhost, names) = (ground.target.vhost(), &ground.names);
    let (space, agent) = (names.space(), &who.agent);
    let work = ground.purpose.lanes.iter().map(|lane| names.offers(lane));
    let work: Vec<String> = work.map(|queue| queue.replace('.', r"\.")).collect();
    let work = work.join("|");
    format!(
        r"rabbitmqctl set_permissions -p '{vhost}' USER '^{space}\.control\.{agent}\.' '^{space}\.(in$|control\.{agent}\.)' '^({space}\.control\.{agent}\..*|{work})$'; if it has topic permissions (rabbitmqctl list_topic_permissions -p '{vhost}'), the one for {space}.in must let it write '\.{agent}$'"
    )
}

/// What a reader and maker asks. The queue is private, and gone with its channel or the connection.
async fn ask(ground: &Ground<'_>, asking: &Connection, trial: &Trial) -> Result<(), Fault> {
    let args = topology::control(&ground.settings.limits);
    match trial {
        Trial::Read(queue) => asking.try_consume(queue).await,
        Trial::Make(queue) => {
            let channel = asking.channel().await?;
            channel.declare_queue(queue, Kind::Own, &args).await?;
            if let Role::Agent(_) = ground.settings.role {
                // As its reader.
                asking.try_consume(queue).await?;
            }
            channel.delete_queue(queue).await?;
            channel.close().await;
            Ok(())
        }
        Trial::Bind(exchange) => {
            let (channel, queue) = (asking.channel().await?, ground.own_queue());
            channel.declare_queue(&queue, Kind::Own, &args).await?;
            channel.bind(&queue, exchange, "check").await?;
            channel.delete_queue(&queue).await?;
            channel.close().await;
            Ok(())
        }
        Trial::Write(..) => Ok(()),
    }
}

/// Whether this may be written.
pub(super) async fn try_write(
    ground: &Ground<'_>,
    publishing: &Connection,
    exchange: String,
    key: String,
) -> Result<(), Fault> {
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
        exchange,
        key,
        mandatory: false,
        group: Group::Control,
    };
    let letter = Letter::new(route, message, None, ground.target.user());
    let letter = letter.map_err(|error| Fault::local(error.to_string()))?;
    publishing.try_publish(letter).await
}
