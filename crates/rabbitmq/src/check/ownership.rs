//! Whose the namespace is. Agents may not ask.

use super::shapes::There;
use super::{Findings, Ground, Severity};
use crate::amqp::Connection;
use crate::owner::{self, Owner};
use crate::topology::VERSION;
use warrener_backend::error::Error;

pub(super) async fn look(
    ground: &Ground<'_>,
    connection: &Connection,
    there: &There,
    findings: &mut Findings,
) {
    let queue = ground.names.owner();
    if !ground.settings.is_server() || !there.has_queue(&queue) {
        return;
    }
    let namespace = ground.names.space();
    match owner::look(ground.settings, ground.target, connection).await {
        Ok(Owner::Nobody) => {
            let what = format!("namespace {namespace} is nobody's");
            let remedy = "nothing: the server that starts next makes it its own";
            findings.add("owner", Severity::Note, what, remedy);
        }
        Ok(Owner::Newer(version)) => {
            let what = format!(
                "a newer warrener made the queues of namespace {namespace}: their version is {version}, this program knows {VERSION}"
            );
            findings.add("owner", Severity::Critical, what, "start the newer one");
        }
        Ok(Owner::Store(store)) => {
            let name = store.map_or("of an unreadable name".into(), |store| store.to_string());
            let what = format!("namespace {namespace} belongs to store {name}");
            match ground.purpose.store {
                Some(ours) if store != Some(ours) => {
                    let what = format!("{what}, and the data folder's is {ours}");
                    let remedy = format!(
                        "use the data folder of that store, or another namespace or vhost; if that store is gone for good: rabbitmqctl delete_queue -p '{}' {queue}",
                        ground.target.vhost()
                    );
                    findings.add("owner", Severity::Critical, what, remedy);
                }
                Some(_) => findings.fine("owner", format!("{what}, the data folder's")),
                None => findings.fine("owner", what),
            }
        }
        // Found already, with what to do.
        Err(Error::NotAllowed(_)) => {}
        Err(error) => {
            let what = format!("whose namespace {namespace} is could not be seen: {error}");
            findings.add("owner", Severity::Warning, what, "check again");
        }
    }
}
