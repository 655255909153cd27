//! The broker suite over the link: real sockets, agents on one side, the server's broker on the other.

mod stage;

use async_trait::async_trait;
use stage::Stage;
use stage::pipe::Pipe;
use std::sync::{Arc, Mutex};
use warrener_backend::broker::{Broker, Capabilities};
use warrener_backend::memory::{Limits, MemoryOptions};
use warrener_model::agent::{Role, Who};
use warrener_model::name::Lane;
use warrener_testkit::broker::{Bounds, Harness};

struct LinkHarness {
    stage: Stage,
    pipes: Mutex<Vec<(Who, Pipe)>>,
}

#[async_trait]
impl Harness for LinkHarness {
    async fn start() -> Self {
        let bounds = Bounds::default();
        let mut limits = Limits::default();
        limits.offers.messages = bounds.offers;
        limits.presence.messages = bounds.presence;
        limits.topic.messages = bounds.topic;
        let memory = MemoryOptions {
            dead_limit: bounds.dead_limit,
            limits,
            ..MemoryOptions::default()
        };
        Self {
            stage: Stage::new(memory, stage::quick()).await,
            pipes: Mutex::default(),
        }
    }

    fn expected(&self) -> Capabilities {
        Capabilities {
            durable: false,
            direct: true,
            wills: true,
            topics: true,
            counts: true,
            reasons: true,
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds::default()
    }

    async fn server(&self) -> Arc<dyn Broker> {
        Arc::new(self.stage.broker.clone())
    }

    async fn agent(&self, who: &Who, _: &[Lane]) -> Arc<dyn Broker> {
        let (link, pipe) = self.stage.client(Some(who), Role::Leader).await;
        self.pipes
            .lock()
            .expect("no case panics with it")
            .push((who.clone(), pipe));
        Arc::new(link)
    }

    async fn kill_agent(&self, who: &Who) {
        for (owner, pipe) in self.pipes.lock().expect("no case panics with it").iter() {
            if owner == who {
                pipe.cut();
            }
        }
    }

    async fn restart_broker(&self) {
        self.stage.broker.restart();
    }
}

warrener_testkit::broker_suite!(LinkHarness);
