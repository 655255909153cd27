//! Whether the broker takes messages. It says that it is blocked to those only that publish: so one message is, and
//! taken back.

use super::{Findings, Ground, Severity, rights};
use crate::amqp::{Connection, Fault, Life};
use crate::settings::Role;

/// Whether it does.
pub(super) async fn look(
    ground: &Ground<'_>,
    publishing: &Connection,
    findings: &mut Findings,
) -> bool {
    let mut life = publishing.life();
    let blocked = life.wait_for(|life| matches!(life, Life::Blocked(_)));
    let answered = tokio::select! {
        biased;
        // That it never will be, because the connection ended, is heard by the publish.
        Ok(_) = blocked => None,
        answered = published(ground, publishing) => Some(answered),
    };
    let now = publishing.life().borrow().clone();
    match (now, answered) {
        (Life::Blocked(why), _) => {
            let what = format!("the broker takes nothing: {why}");
            let remedy = "free memory or disk on its nodes (rabbitmqctl status names the alarms and limits); publishing goes on by itself then. Check again: permissions and the owner could not be looked at";
            findings.add("alarm", Severity::Critical, what, remedy);
            false
        }
        // What an agent writes to is not there yet, or it may not write there, which is found next.
        (_, Some(Err(fault))) if !fault.is_not_found() && !fault.is_refused() => {
            let what = format!("a message was not answered: {fault}");
            let remedy = "see the broker's log; without a majority of its nodes it does not answer";
            findings.add("alarm", Severity::Critical, what, remedy);
            false
        }
        _ => {
            findings.fine(
                "alarm",
                "the broker takes messages: no alarm of memory or disk",
            );
            true
        }
    }
}

async fn published(ground: &Ground<'_>, publishing: &Connection) -> Result<(), Fault> {
    let (exchange, key) = match &ground.settings.role {
        Role::Server => (String::new(), ground.own_queue()),
        Role::Agent(who) => (
            ground.names.inbox_exchange(),
            format!("heartbeat.{}", who.agent),
        ),
    };
    rights::try_write(ground, publishing, exchange, key).await
}
