//! One connection: made once, watched, thrown away when it ends.

use super::channel::Channel;
use super::fault::Fault;
use super::target::Target;
use futures_util::StreamExt;
use lapin::{Connection as Inner, ConnectionProperties, Event};
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It works.
    Up,
    /// The broker takes nothing to publish for now, and says why.
    Blocked(String),
    /// It ended, and why.
    Over(String),
}

/// See the module. Dropping it closes it.
pub(crate) struct Connection {
    inner: Inner,
    life: watch::Receiver<Life>,
    /// Why the last channel that the broker ended was ended.
    ended: watch::Receiver<Option<Fault>>,
    answer: Duration,
}

impl Connection {
    /// Connects and logs in. Runs, like all of its tasks, on the runtime it is called on.
    pub(crate) async fn open(
        target: &Target,
        name: &str,
        (connect, answer): (Duration, Duration),
    ) -> Result<Connection, Fault> {
        let properties = ConnectionProperties::default()
            .with_connection_name(name.into())
            .with_client_property("product".into(), "warrener".into())
            .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());
        let runtime = lapin::runtime::default_runtime()?;
        let connecting =
            Inner::connect_uri_with_config(target.uri.clone(), properties, target.tls(), runtime);
        let Ok(connected) = timeout(connect, connecting).await else {
            return Err(Fault::local("no connection in time"));
        };
        let inner = connected?;
        let (tell, life) = watch::channel(Life::Up);
        let (tell_end, ended) = watch::channel(None);
        let mut events = Box::pin(inner.events_listener());
        // What happened before somebody listened is told to nobody.
        if !inner.status().connected() {
            return Err(Fault::local("the connection ended at once"));
        }
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    Event::ConnectionBlocked(why) => drop(tell.send_replace(Life::Blocked(why))),
                    Event::ConnectionUnblocked => drop(tell.send_replace(Life::Up)),
                    // The end of a channel, which its user hears of, unless it asked nothing at that moment.
                    Event::Error(error) if error.is_amqp_soft_error() => {
                        tell_end.send_replace(Some(error.into()));
                    }
                    Event::Error(error) => {
                        tell.send_replace(Life::Over(Fault::from(error).text().to_owned()));
                        return;
                    }
                    _ => {}
                }
            }
            tell.send_replace(Life::Over("it was closed".into()));
        });
        Ok(Connection {
            inner,
            life,
            ended,
            answer,
        })
    }

    /// How it is, and every change of it.
    pub(crate) fn life(&self) -> watch::Receiver<Life> {
        self.life.clone()
    }

    /// Every end of a channel from now on that the broker made, and why.
    pub(super) fn ended(&self) -> watch::Receiver<Option<Fault>> {
        let mut ended = self.ended.clone();
        ended.mark_unchanged();
        ended
    }

    /// Opens a channel.
    pub(crate) async fn channel(&self) -> Result<Channel, Fault> {
        match timeout(self.answer, self.inner.create_channel()).await {
            Ok(channel) => Ok(Channel::new(channel?, self.answer)),
            Err(_) => Err(Fault::late("channel.open")),
        }
    }

    /// Says goodbye, for no longer than an answer may take.
    pub(crate) async fn close(&self) {
        let bye = self.inner.close(200, "bye".into());
        // It ends either way: the broker sees the socket close.
        let _ = timeout(self.answer, bye).await;
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("life", &*self.life.borrow())
            .finish_non_exhaustive()
    }
}
