//! The broker suite on the memory broker.

use async_trait::async_trait;
use std::sync::Arc;
use warrener_backend::MemoryBroker;
use warrener_backend::broker::{Broker, Capabilities};
use warrener_backend::memory::{Limits, MemoryOptions};
use warrener_model::agent::Who;
use warrener_model::name::Lane;
use warrener_testkit::broker::{Bounds, Harness};

struct MemoryHarness(MemoryBroker);

#[async_trait]
impl Harness for MemoryHarness {
    async fn start() -> Self {
        let bounds = Bounds::default();
        let mut limits = Limits::default();
        limits.offers.messages = bounds.offers;
        limits.presence.messages = bounds.presence;
        limits.topic.messages = bounds.topic;
        Self(MemoryBroker::new(MemoryOptions {
            dead_limit: bounds.dead_limit,
            limits,
            ..MemoryOptions::default()
        }))
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
        Arc::new(self.0.clone())
    }

    async fn agent(&self, who: &Who, _: &[Lane]) -> Arc<dyn Broker> {
        Arc::new(self.0.for_agent(who))
    }

    async fn kill_agent(&self, who: &Who) {
        self.0.cut(who);
    }

    async fn restart_broker(&self) {
        self.0.restart();
    }
}

warrener_testkit::broker_suite!(MemoryHarness);

/// The same cases on a broker that can do less: what is absent is refused by name.
mod plain {
    use super::*;

    struct PlainHarness(MemoryHarness);

    #[async_trait]
    impl Harness for PlainHarness {
        async fn start() -> Self {
            let mut limits = Limits::default();
            limits.offers.messages = Bounds::default().offers;
            limits.presence.messages = Bounds::default().presence;
            Self(MemoryHarness(MemoryBroker::new(MemoryOptions {
                capabilities: Capabilities {
                    durable: false,
                    direct: false,
                    wills: false,
                    topics: false,
                    counts: true,
                    reasons: true,
                },
                limits,
                ..MemoryOptions::default()
            })))
        }

        fn expected(&self) -> Capabilities {
            Capabilities {
                durable: false,
                direct: false,
                wills: false,
                topics: false,
                counts: true,
                reasons: true,
            }
        }

        fn bounds(&self) -> Bounds {
            Bounds::default()
        }

        async fn server(&self) -> Arc<dyn Broker> {
            self.0.server().await
        }

        async fn agent(&self, who: &Who, lanes: &[Lane]) -> Arc<dyn Broker> {
            self.0.agent(who, lanes).await
        }

        async fn kill_agent(&self, who: &Who) {
            self.0.kill_agent(who).await;
        }

        async fn restart_broker(&self) {
            self.0.restart_broker().await;
        }
    }

    warrener_testkit::broker_suite!(PlainHarness);
}
