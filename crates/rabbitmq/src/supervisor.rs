//! One connection for ever: a supervisor makes it, watches it, and makes it anew with growing, jittered waits.
//!
//! Nothing survives a connection: channels, consumers and unconfirmed publishes end with it, and their users begin
//! anew. What a server declared is declared again before anybody hears that the connection is up.

use crate::amqp::{Connection, Life, Target};
use crate::settings::Settings;
use crate::telling::Telling;
use crate::topology::Drift;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use warrener_backend::error::{Error, Result};

/// What the errors of this crate are about.
pub(crate) const BROKER: &str = "the broker";

/// What stands on a connection that is up.
pub(crate) trait Session: Send + Sync + Sized + 'static {
    /// Builds it; what fails here ends the connection, and another one is tried.
    fn build(
        connection: Arc<Connection>,
        ground: &Self::Ground,
    ) -> impl Future<Output = Result<Self>> + Send;

    /// What it needs beside the connection.
    type Ground: Send + Sync + 'static;
}

/// How it stands with a connection.
pub(crate) enum Line<S> {
    /// There is none; another is tried.
    Away(String),
    /// There is none, and waiting alone is no cure: the two ends do not trust each other, this end may not, the queues
    /// are not as they should be, or the namespace is another store's. Another one is tried all the same, since a person may change that.
    Barred(Error),
    /// There is one.
    Up(Arc<S>),
}

impl<S> Clone for Line<S> {
    fn clone(&self) -> Self {
        match self {
            Line::Away(why) => Line::Away(why.clone()),
            Line::Barred(why) => Line::Barred(why.clone()),
            Line::Up(session) => Line::Up(session.clone()),
        }
    }
}

impl<S> fmt::Debug for Line<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Away(why) => write!(f, "away: {why}"),
            Line::Barred(why) => write!(f, "barred: {why}"),
            Line::Up(_) => f.write_str("up"),
        }
    }
}

impl<S> Line<S> {
    /// The namespace is another store's.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self, Line::Barred(Error::Taken { .. }))
    }

    /// What stands on it.
    ///
    /// # Errors
    /// `Unavailable`, `Untrusted`, `NotAllowed`, `Invalid`, `Taken`: why there is nothing.
    pub(crate) fn up(&self) -> Result<Arc<S>> {
        match self {
            Line::Up(session) => Ok(session.clone()),
            Line::Away(why) => Err(Error::unavailable(BROKER, why)),
            Line::Barred(why) => Err(why.clone()),
        }
    }
}

/// See the module.
pub(crate) struct Supervisor<S: Session> {
    pub(crate) target: Target,
    pub(crate) settings: Arc<Settings>,
    /// `publish` or `consume`; the broker shows it.
    pub(crate) purpose: &'static str,
    pub(crate) ground: S::Ground,
    pub(crate) line: watch::Sender<Line<S>>,
    /// What people hear of it; one for both connections.
    pub(crate) telling: Arc<Telling>,
    pub(crate) stop: CancellationToken,
}

impl<S: Session> Supervisor<S> {
    /// Goes on until it is stopped; then it says goodbye.
    pub(crate) async fn run(self) {
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            let began = Instant::now();
            // To its end, even when it is to stop meanwhile: the client does not take it well when its runtime goes first.
            match self.connect().await {
                Ok((connection, session)) => {
                    debug!(broker = %self.target, purpose = self.purpose, "connected");
                    self.telling.up(self.purpose, &self.target);
                    self.line.send_replace(Line::Up(Arc::new(session)));
                    let why = self.watch(&connection).await;
                    if self.stop.is_cancelled() {
                        debug!(broker = %self.target, purpose = self.purpose, "connection closed");
                    } else {
                        warn!(broker = %self.target, purpose = self.purpose, why, "connection ended");
                    }
                    self.line.send_replace(Line::Away(why));
                    connection.close().await;
                    // A broker that accepts and hangs up at once is no better than one that is away.
                    if began.elapsed() >= self.settings.backoff_max {
                        failures = 0;
                    }
                }
                Err(error) => {
                    debug!(broker = %self.target, purpose = self.purpose, %error, "not connected");
                    self.telling.away(self.purpose, &self.target, &error);
                    self.line.send_replace(match error {
                        barred @ (Error::Untrusted { .. }
                        | Error::NotAllowed(_)
                        | Error::Invalid(_)
                        | Error::Taken { .. }) => Line::Barred(barred),
                        Error::Unavailable { what, reason } if what == BROKER => Line::Away(reason),
                        other => Line::Away(other.to_string()),
                    });
                }
            }
            let wait = self.wait(failures);
            failures = failures.saturating_add(1);
            tokio::select! {
                () = sleep(wait) => {}
                () = self.stop.cancelled() => {}
            }
        }
        self.line.send_replace(Line::Away("it was closed".into()));
    }

    async fn connect(&self) -> Result<(Arc<Connection>, S)> {
        let settings = &self.settings;
        let name = format!("warrener {} {}", settings.namespace, self.purpose);
        let waits = (settings.connect_deadline, settings.answer_deadline);
        let opened = Connection::open(&self.target, &name, waits).await;
        let connection = opened.map_err(|fault| error(&self.target.to_string(), fault))?;
        let connection = Arc::new(connection);
        let building = S::build(connection.clone(), &self.ground);
        let late = || Error::unavailable(BROKER, "it does not answer in time");
        let built = timeout(settings.build_deadline(), building).await;
        match built.unwrap_or_else(|_| Err(late())) {
            Ok(session) => Ok((connection, session)),
            Err(error) => {
                connection.close().await;
                Err(error)
            }
        }
    }

    /// Waits for its end, and says why it came.
    async fn watch(&self, connection: &Connection) -> String {
        let mut life = connection.life();
        loop {
            let now = life.borrow_and_update().clone();
            match now {
                Life::Over(why) => return why,
                Life::Blocked(why) => {
                    warn!(broker = %self.target, purpose = self.purpose, why, "broker is blocked");
                }
                Life::Up => {}
            }
            tokio::select! {
                changed = life.changed() => if changed.is_err() {
                    return "it was closed".to_owned();
                },
                () = self.stop.cancelled() => return "it was closed".to_owned(),
            }
        }
    }

    /// Full jitter: a thousand agents whose broker came back do not come back in one moment.
    fn wait(&self, failures: u32) -> Duration {
        let most = self
            .settings
            .backoff_base
            .saturating_mul(2u32.saturating_pow(failures.min(31)));
        most.min(self.settings.backoff_max).mul_f64(fastrand::f64())
    }
}

/// A fault of a request, as the port says it.
pub(crate) fn error(what: &str, fault: crate::amqp::Fault) -> Error {
    if let Some(drift) = Drift::read(&fault) {
        return drift.into();
    }
    if fault.is_untrusted() {
        Error::Untrusted {
            what: BROKER.into(),
            reason: format!("{what}: {fault}"),
        }
    } else if fault.is_not_found() {
        Error::NotFound(what.to_owned())
    } else if fault.is_refused() {
        Error::NotAllowed(format!("{what}: {fault}"))
    } else if fault.is_mismatch() {
        Error::Invalid(format!("{what}: {fault}"))
    } else {
        Error::unavailable(BROKER, format!("{what}: {fault}"))
    }
}
