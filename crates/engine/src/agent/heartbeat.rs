//! Heartbeats, from a thread with a runtime of its own: a handler that blocks every worker of the main runtime starves
//! no lease.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use warrener_backend::{Address, Broker, Inbox, Message, Outgoing};
use warrener_model::agent::Who;
use warrener_model::id::MessageId;
use warrener_model::message::{self, Body, Heartbeat, Held};

/// What the next heartbeat says; the session writes it, the thread reads it.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    pub(super) joined: bool,
    pub(super) draining: bool,
    pub(super) slots: u32,
    pub(super) busy: u32,
    pub(super) held: Vec<Held>,
    pub(super) every: Duration,
}

/// The thread; ends soon after this is dropped.
#[derive(Debug)]
pub(super) struct Heart {
    pub(super) pulse: Arc<Mutex<Pulse>>,
    _stop: watch::Sender<()>,
}

impl Heart {
    pub(super) fn start(
        broker: Arc<dyn Broker>,
        who: Who,
        every: Duration,
    ) -> std::io::Result<Self> {
        let pulse = Arc::new(Mutex::new(Pulse {
            every,
            ..Pulse::default()
        }));
        let (stop, stopped) = watch::channel(());
        let shared = pulse.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        std::thread::Builder::new()
            .name("heartbeat".into())
            .spawn(move || {
                runtime.block_on(beat(broker, who, shared, stopped));
            })?;
        Ok(Heart { pulse, _stop: stop })
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Pulse)) {
        change(&mut self.pulse.lock().expect("writing a pulse does not panic"));
    }
}

async fn beat(
    broker: Arc<dyn Broker>,
    who: Who,
    pulse: Arc<Mutex<Pulse>>,
    mut stopped: watch::Receiver<()>,
) {
    loop {
        let every = pulse.lock().expect("writing a pulse does not panic").every;
        tokio::select! {
            // The sender is dropped with the agent.
            _ = stopped.changed() => return,
            () = tokio::time::sleep(every) => {}
        }
        let Some(letter) = letter(&who, &pulse) else {
            continue;
        };
        // A heartbeat that cannot be sent now is worth nothing later.
        if let Ok(Err(error)) = tokio::time::timeout(every, broker.publish(vec![letter])).await {
            tracing::debug!(%error, "heartbeat not sent");
        }
    }
}

fn letter(who: &Who, pulse: &Mutex<Pulse>) -> Option<Outgoing> {
    let pulse = pulse.lock().expect("writing a pulse does not panic");
    if !pulse.joined {
        return None;
    }
    let body = Heartbeat {
        who: who.clone().into(),
        slots: pulse.slots,
        busy: pulse.busy,
        state: if pulse.draining { "draining" } else { "up" }.into(),
        rss_bytes: rss(),
        cpu: 0.0,
        leases: pulse.held.clone(),
    };
    Some(Outgoing {
        to: Address::Inbox(Inbox::Presence),
        message: Message {
            id: MessageId::new(crate::clock::wall(), crate::core::random()),
            kind: Heartbeat::TYPE.into(),
            store: None,
            sender: Some(who.agent.clone()),
            trace: None,
            body: message::encode(&body).into(),
            reason: None,
        },
        expires: Some(pulse.every * 3),
    })
}

/// Memory of this process in bytes; 0 where the system does not say.
fn rss() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    pages * 4_096
}
