//! A server's RabbitMQ: nothing reaches it before the namespace is this store's (architecture.md rule 10).
//!
//! The broker may be away when a server starts. Then the server starts without it, and what is accepted waits in the
//! store; the namespace is claimed as soon as there is a connection. Until then every operation is `Unavailable`.

use super::{Way, hopeless};
use async_trait::async_trait;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use warrener_api::problem::Problem;
use warrener_backend::broker::{
    Address, Broker, Capabilities, Depth, Health, Outgoing, Receipt, Subscribe, Subscription,
};
use warrener_backend::error::{Error, Result};
use warrener_model::id::StoreId;
use warrener_rabbitmq::{RabbitBroker, Role};

/// A broker that has not answered within this is away, and the server starts without it.
const START: Duration = Duration::from_secs(3);
/// Between the first two tries to claim; each later wait is twice as long, up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Whose the namespace is.
#[derive(Clone, Debug)]
enum Claim {
    /// Nobody could say so far, for this reason; the problem is there if waiting alone is no cure.
    Open(String, Option<Problem>),
    /// This store's.
    Ours,
    /// Another one's.
    Theirs(Problem),
}

/// See the module; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    rabbit: RabbitBroker,
    claim: watch::Receiver<Claim>,
}

impl Owned {
    /// Connects and claims. Comes back with what works now, or will when the broker is there.
    ///
    /// # Errors
    /// The namespace is another store's, the broker refuses this server, or its queues are not as they should be.
    pub(crate) async fn start(way: &Way, store: StoreId) -> std::result::Result<Owned, Problem> {
        let rabbit = way.connect(Role::Server).map_err(unusable)?;
        let (say, mut claim) = watch::channel(Claim::Open("not asked yet".into(), None));
        tokio::spawn(keep_claiming(rabbit.clone(), store, say));
        let first = timeout(START, claim.changed()).await;
        let now = claim.borrow_and_update().clone();
        match now {
            Claim::Theirs(problem) | Claim::Open(_, Some(problem)) => return Err(problem),
            Claim::Ours => {
                // One that went away this moment is away, as any time later.
                if let Err(error) = rabbit.ready(START).await
                    && let Some(problem) = hopeless(&error)
                {
                    return Err(problem);
                }
            }
            Claim::Open(why, None) => {
                let why = if first.is_ok() {
                    why
                } else {
                    "no answer yet".into()
                };
                tracing::warn!(
                    why,
                    "the broker is away; work is accepted and waits in the store"
                );
            }
        }
        Ok(Owned { rabbit, claim })
    }

    /// Waits until it turns out that the namespace is another store's.
    pub(crate) async fn lost(&mut self) -> Problem {
        let theirs = self
            .claim
            .wait_for(|claim| matches!(claim, Claim::Theirs(_)))
            .await;
        let problem = theirs.ok().and_then(|claim| match &*claim {
            Claim::Theirs(problem) => Some(problem.clone()),
            Claim::Open(..) | Claim::Ours => None,
        });
        match problem {
            Some(problem) => problem,
            // It is ours, and nobody will say otherwise.
            None => std::future::pending().await,
        }
    }

    /// Waits until the namespace is this store's, for those that are of no use without a broker.
    ///
    /// # Errors
    /// Why it is not within the time.
    pub(crate) async fn ready(&self, within: Duration) -> std::result::Result<(), Problem> {
        let mut claim = self.claim.clone();
        let decided = claim.wait_for(|claim| !matches!(claim, Claim::Open(_, None)));
        // Whatever the wait came to, the claim says how it is now.
        let _ = timeout(within, decided).await;
        match &*self.claim.borrow() {
            Claim::Ours => Ok(()),
            Claim::Theirs(problem) | Claim::Open(_, Some(problem)) => Err(problem.clone()),
            Claim::Open(why, None) => Err(Problem::new("broker_unreachable", why.clone())),
        }
    }

    /// Removes the namespace, as far as it can. One that was never this store's holds nothing of it.
    pub(crate) async fn remove(&self) {
        let Ok(rabbit) = self.ours() else {
            return;
        };
        if let Err(error) = rabbit.remove_namespace().await {
            tracing::warn!(%error, "queues stay in the broker");
        }
    }

    /// Ends the connections, after what was said before.
    pub(crate) async fn close(&self) {
        self.rabbit.close().await;
    }

    fn ours(&self) -> Result<&RabbitBroker> {
        match &*self.claim.borrow() {
            Claim::Ours => Ok(&self.rabbit),
            Claim::Open(why, _) => Err(Error::unavailable("the broker", why)),
            Claim::Theirs(problem) => Err(Error::unavailable("the broker", problem)),
        }
    }
}

/// A setting that cannot work.
fn unusable(error: Error) -> Problem {
    match error {
        Error::Invalid(why) => Problem::new("config_invalid", why),
        other => Problem::new("internal", other.to_string()),
    }
}

/// Asks until somebody's name is in the namespace, or nobody wants to know any more. Once it is ours it asks again with
/// each new connection, by itself; what is left is to hear of a loss.
async fn keep_claiming(rabbit: RabbitBroker, store: StoreId, say: watch::Sender<Claim>) {
    let mut pause = PAUSE;
    let lost = loop {
        let error = match rabbit.claim_ownership(store).await {
            Ok(()) => {
                say.send_replace(Claim::Ours);
                tokio::select! {
                    lost = rabbit.lost_ownership() => break lost,
                    () = say.closed() => return,
                }
            }
            Err(error @ Error::Taken { .. }) => break error,
            Err(error) => error,
        };
        tracing::debug!(%error, "namespace not claimed yet");
        say.send_replace(Claim::Open(error.reason(), hopeless(&error)));
        tokio::select! {
            () = sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)) => {}
            () = say.closed() => return,
        }
        pause = (pause * 2).min(PAUSE_MAX);
    };
    if let Some(problem) = hopeless(&lost) {
        say.send_replace(Claim::Theirs(problem));
    }
}

#[async_trait]
impl Broker for Owned {
    fn capabilities(&self) -> Capabilities {
        self.rabbit.capabilities()
    }

    async fn ensure(&self, addresses: &[Address]) -> Result<()> {
        self.ours()?.ensure(addresses).await
    }

    async fn publish(&self, batch: Vec<Outgoing>) -> Result<Vec<Receipt>> {
        self.ours()?.publish(batch).await
    }

    async fn subscribe(&self, subscribe: Subscribe) -> Result<Subscription> {
        self.ours()?.subscribe(subscribe).await
    }

    async fn depth(&self, address: &Address) -> Result<Depth> {
        self.ours()?.depth(address).await
    }

    async fn health(&self) -> Health {
        match self.ours() {
            Ok(rabbit) => rabbit.health().await,
            Err(error) => Health::Down(error.to_string()),
        }
    }
}
