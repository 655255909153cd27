//! What the stories stand on: the memory broker, which plays a broker of either sort. The same stories on RabbitMQ stand
//! on the file of this name in `rabbitmq/tests/stories`.

use crate::harness::Mode;
use std::sync::Arc;
use std::time::Duration;
use warrener_backend::broker::{Capabilities, Depth};
use warrener_backend::memory::{MemoryBroker, MemoryOptions};
use warrener_backend::{Address, Broker, Inbox};
use warrener_model::agent::Who;

/// Every mode that this broker can play.
pub(crate) const MODES: [Mode; 3] = [Mode::Direct, Mode::Claim, Mode::Fast];

/// Those of them in which a run starts by a grant that a story can wait for.
pub(crate) const CLAIMED: [Mode; 2] = [Mode::Direct, Mode::Claim];

/// A lease that a story can wait for, and long enough for an agent to be heard in time.
pub(crate) const SHORT_LEASE: Duration = Duration::from_millis(400);

/// One broker, for one story; a cheap handle.
#[derive(Clone)]
pub(crate) struct Ground {
    broker: MemoryBroker,
}

impl Ground {
    pub(crate) async fn new(mode: Mode) -> Self {
        let mut options = MemoryOptions::default();
        options.capabilities = Capabilities {
            direct: mode == Mode::Direct,
            ..options.capabilities
        };
        let broker = MemoryBroker::new(options);
        Ground { broker }
    }

    /// A server's connection, which is up.
    pub(crate) async fn server(&self) -> Arc<dyn Broker> {
        Arc::new(self.broker.clone())
    }

    /// The connection of one boot of an agent; it may take a moment to be up.
    pub(crate) fn agent(&self, who: &Who) -> Arc<dyn Broker> {
        Arc::new(self.broker.for_agent(who))
    }

    /// What every reader holds, too.
    pub(crate) async fn depth(&self, address: &Address) -> Depth {
        self.broker.depth(address).await.unwrap()
    }

    /// That boot's connection ends without a word; it may make another.
    pub(crate) fn cut(&self, who: &Who) {
        self.broker.cut(who);
    }

    /// The server's process ends: an embedded broker ends with it.
    pub(crate) async fn server_ends(&self) {
        self.broker.lose_everything();
    }

    /// Every connection ends, and no message outlives it.
    pub(crate) async fn lose_messages(&self) {
        self.broker.restart();
    }

    /// No address of offers is there any more.
    pub(crate) async fn lose_offers(&self) {
        self.broker.lose_everything();
        let inboxes = [
            Inbox::Results,
            Inbox::Presence,
            Inbox::Signals,
            Inbox::Submit,
        ];
        let inboxes = inboxes.map(Address::Inbox);
        self.broker.ensure(&inboxes).await.unwrap();
    }
}
