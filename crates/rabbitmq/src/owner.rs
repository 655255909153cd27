//! Whose namespace it is: one store's, written in the queue `<ns>.owner` (architecture.md section 2, rule 10).
//!
//! The first message of that queue names the owner. The queue has a single active consumer, so of all that ask only one
//! reads at a time, in an order that the broker's log decides; that makes two servers that start at once a race without
//! a loser of data:
//!
//! 1. Whoever asks publishes its own name first, so there is something to read for everybody.
//! 2. The first delivery it gets as the active consumer names the owner.
//! 3. It writes that name once more at the end, reads on until it sees that, and acknowledges all before it, the first
//!    one last. So the queue keeps one name, never loses it to a crash in between (what was not acknowledged is back at
//!    its place), and no copy is delivered often enough to become a dead letter.
//!
//! A refused copy is tried again on a channel of its own: one that was nacked while the queue's leader changed may hear
//! nothing but nacks for ever. And the whole has a deadline, after which the queue is free for the next that asks.
//!
//! The name survives restarts of the broker, as any durable queue does. A running server claims again on each new
//! connection. If a person purges or deletes the queue, the next server that asks owns the namespace.

use crate::amqp::{Channel, Connection, Consumer, Delivered, Letter, Target};
use crate::names::{Group, Names, Route};
use crate::settings::Settings;
use crate::supervisor::{BROKER, error};
use crate::topology::{self, VERSION};
use bytes::Bytes;
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use warrener_backend::broker::Message;
use warrener_backend::error::{Error, Result};
use warrener_model::id::{MessageId, StoreId};

const KIND: &str = "owner";
const CREDIT: u32 = 100;
/// A queue of one is full for moments while others ask too; a refused copy is tried again after this.
const PAUSE: Duration = Duration::from_millis(20);

/// What the owner's message says.
struct Name {
    store: Option<StoreId>,
    topology: u32,
}

/// Claims the namespace for a store.
///
/// # Errors
/// `Taken` when it belongs to another store, `Invalid` when a newer server made the topology, `Unavailable`.
pub(crate) async fn claim(settings: &Arc<Settings>, target: &Target, store: StoreId) -> Result<()> {
    let name = format!("warrener {} owner", settings.namespace);
    let waits = (settings.connect_deadline, settings.answer_deadline);
    let opened = Connection::open(target, &name, waits).await;
    let connection = opened.map_err(|fault| error(&target.to_string(), fault))?;
    let claim = Claim {
        reader: Reader {
            names: Names::new(&settings.namespace),
            settings,
            target,
        },
        store,
    };
    let done = timeout(settings.claim_deadline(), claim.run(&connection)).await;
    connection.close().await;
    done.unwrap_or_else(|_| {
        Err(Error::unavailable(
            BROKER,
            format!("{} does not settle on a name", claim.reader.names.owner()),
        ))
    })
}

/// Whose the namespace is, for who only wants to know: its name is left there as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody's: no server has been here.
    Nobody,
    /// Of this store, or of one whose name cannot be read.
    Store(Option<StoreId>),
    /// Of a warrener that knows tables of this later version.
    Newer(u32),
}

/// Looks whose it is. The name is read as a claim reads it, and a copy of it takes its place: just to read it would
/// make it a little older each time, until the broker took it for poison.
pub(crate) async fn look(
    settings: &Settings,
    target: &Target,
    connection: &Connection,
) -> Result<Owner> {
    let reader = Reader {
        names: Names::new(&settings.namespace),
        settings,
        target,
    };
    let queue = reader.names.owner();
    let wrong = |fault| error(&queue, fault);
    let writing = connection.channel().await.map_err(wrong)?;
    let counts = writing.find_queue(&queue).await.map_err(wrong)?;
    match (counts.ready, counts.consumers) {
        (0, 0) => return Ok(Owner::Nobody),
        (0, _) => return Err(Error::unavailable(BROKER, "a server reads it right now")),
        _ => {}
    }
    writing.close().await;
    let late = || Error::unavailable(BROKER, format!("{queue} does not settle on a name"));
    let read = timeout(settings.claim_deadline(), reader.read(connection, 0)).await;
    let owner = read.unwrap_or_else(|_| Err(late()))?;
    Ok(match owner.topology {
        ..=VERSION => Owner::Store(owner.store),
        newer => Owner::Newer(newer),
    })
}

struct Claim<'a> {
    reader: Reader<'a>,
    store: StoreId,
}

impl Claim<'_> {
    async fn run(&self, connection: &Connection) -> Result<()> {
        let part = topology::owner(&self.reader.names);
        crate::sessions::declare(connection, &[part]).await?;
        // Refused is as good as taken: then there is a name already, or the next try to write says what is wrong.
        let own = Some(self.store);
        let writing = self.reader.writer(connection).await?;
        self.reader.write(&writing, own, VERSION).await?;
        writing.close().await;
        let owner = self.reader.read(connection, VERSION).await?;
        self.judge(&owner)
    }

    fn judge(&self, owner: &Name) -> Result<()> {
        let Reader {
            names,
            settings,
            target,
        } = &self.reader;
        let (namespace, queue) = (&settings.namespace, names.owner());
        match owner.store {
            Some(store) if store == self.store && owner.topology <= VERSION => Ok(()),
            Some(store) if store == self.store => Err(Error::Invalid(format!(
                "a newer warrener made the queues of namespace {namespace} at {target}: their version is {}, this program knows {VERSION}; start the newer one",
                owner.topology
            ))),
            other => Err(Error::Taken {
                what: format!("namespace {namespace} at {target}"),
                reason: format!(
                    "it belongs to store {}, and this server's is {}; give this one a namespace or vhost of its own, or, if that store is gone for good, delete the queue {queue} and start again",
                    other.map_or("of an unreadable name".into(), |store| store.to_string()),
                    self.store
                ),
            }),
        }
    }
}

/// Reads the queue and puts it in order.
struct Reader<'a> {
    names: Names,
    settings: &'a Settings,
    target: &'a Target,
}

impl Reader<'_> {
    /// The owner's name, which is left with at least this version of the tables.
    async fn read(&self, connection: &Connection, least: u32) -> Result<Name> {
        let queue = self.names.owner();
        let wrong = |fault| error(&queue, fault);
        let reading = connection.channel().await.map_err(wrong)?;
        let mut names = reading
            .consume(&queue, CREDIT, false)
            .await
            .map_err(wrong)?;
        let first = self.next(&mut names).await?;
        let owner = read(&first);
        let version = owner.topology.max(least);
        self.tidy(
            connection,
            &reading,
            &mut names,
            first,
            (owner.store, version),
        )
        .await?;
        // What is left is back at its place when this channel is closed.
        drop(names);
        reading.close().await;
        Ok(owner)
    }

    async fn writer(&self, connection: &Connection) -> Result<Channel> {
        let wrong = |fault| error(&self.names.owner(), fault);
        let channel = connection.channel().await.map_err(wrong)?;
        channel.confirm().await.map_err(wrong)?;
        Ok(channel)
    }

    /// Leaves the owner's name alone in the queue.
    async fn tidy(
        &self,
        connection: &Connection,
        reading: &Channel,
        names: &mut Consumer,
        first: Delivered,
        (store, topology): (Option<StoreId>, u32),
    ) -> Result<()> {
        let copy = loop {
            let writing = self.writer(connection).await?;
            let copy = self.write(&writing, store, topology).await?;
            writing.close().await;
            if let Some(copy) = copy {
                break copy;
            }
            sleep(PAUSE).await;
        };
        let mut others = Vec::new();
        loop {
            let next = self.next(names).await?;
            if next.envelope.remains(Bytes::new()).id == copy {
                break;
            }
            others.push(next.tag);
        }
        for tag in others {
            reading.ack(tag);
        }
        reading.ack(first.tag);
        Ok(())
    }

    async fn next(&self, names: &mut Consumer) -> Result<Delivered> {
        match timeout(self.settings.answer_deadline, names.next()).await {
            Ok(Some(delivered)) => Ok(delivered),
            Ok(None) => Err(Error::unavailable(BROKER, "the connection ended")),
            Err(_) => {
                let why = format!(
                    "another server has been reading {} for too long",
                    self.names.owner()
                );
                Err(Error::unavailable(BROKER, why))
            }
        }
    }

    /// Writes a name at the end; `None` when there was no room for it.
    async fn write(
        &self,
        channel: &Channel,
        store: Option<StoreId>,
        topology: u32,
    ) -> Result<Option<MessageId>> {
        let id = MessageId::from_bytes(std::array::from_fn(|_| fastrand::u8(..)));
        let text = store.map(|store| store.to_string()).unwrap_or_default();
        let body = format!(r#"{{"v":1,"store":"{text}","topology":{topology}}}"#);
        let message = Message {
            id,
            kind: KIND.into(),
            store,
            sender: None,
            trace: None,
            body: body.into(),
            reason: None,
        };
        let route = Route {
            exchange: String::new(),
            key: self.names.owner(),
            mandatory: true,
            group: Group::Control,
        };
        let letter = Letter::new(route, message, None, self.target.user())?;
        let late = || Error::unavailable(BROKER, "the owner's queue does not answer");
        let answer = timeout(self.settings.confirm_deadline, channel.publish(letter)).await;
        let confirm = answer.map_err(|_| late())?;
        let confirm = confirm.map_err(|fault| error(&self.names.owner(), fault))?;
        // Returned: the queue was deleted a moment ago. One at a time on this channel, so it is this one's.
        match confirm.returned {
            Some(_) => Err(late()),
            None => Ok(confirm.taken.then_some(id)),
        }
    }
}

fn read(delivered: &Delivered) -> Name {
    // Two numbers in a fixed text of our own: no reason for a parser.
    let text = String::from_utf8_lossy(&delivered.body);
    let topology = text.split("\"topology\":").nth(1).and_then(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    Name {
        store: delivered.envelope.remains(Bytes::new()).store,
        topology: topology.unwrap_or(VERSION),
    }
}
