//! The broker suite on a real node: each case in a vhost of its own, agents behind proxies that can be cut.

mod stage;

use async_trait::async_trait;
use stage::{agent, blocking, node, server, settle, through_proxy, vhost};
use std::sync::{Arc, Mutex};
use warrener_backend::broker::{Broker, Capabilities};
use warrener_model::agent::Who;
use warrener_model::name::Lane;
use warrener_testkit::broker::{Bounds, Harness};
use warrener_testkit::proxy::Proxy;
use warrener_testkit::rabbit::{Node, Options, Vhost};

/// Where the case's broker is.
enum Ground {
    Shared(Vhost<'static>),
    Alone(Arc<Node>),
}

struct RabbitHarness {
    ground: Ground,
    proxies: Mutex<Vec<(Who, Proxy)>>,
}

impl RabbitHarness {
    fn on(ground: Ground) -> Self {
        Self {
            ground,
            proxies: Mutex::default(),
        }
    }

    fn url(&self) -> String {
        match &self.ground {
            Ground::Shared(vhost) => vhost.url(),
            Ground::Alone(node) => node.url(),
        }
    }

    fn node(&self) -> &Node {
        match &self.ground {
            Ground::Shared(_) => node(),
            Ground::Alone(node) => node,
        }
    }
}

#[async_trait]
impl Harness for RabbitHarness {
    async fn start() -> Self {
        Self::on(Ground::Shared(vhost().await))
    }

    async fn start_alone() -> Self {
        stage::told();
        let node = blocking(|| Node::start(&Options::default())).await;
        Self::on(Ground::Alone(Arc::new(node)))
    }

    fn expected(&self) -> Capabilities {
        Capabilities {
            durable: true,
            direct: false,
            wills: false,
            topics: true,
            counts: false,
            reasons: false,
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            // Four fifths of the limit, which is one less than what gets in.
            offers_again: 39,
            ..Bounds::default()
        }
    }

    async fn server(&self) -> Arc<dyn Broker> {
        server(&self.url()).await
    }

    async fn agent(&self, who: &Who, _: &[Lane]) -> Arc<dyn Broker> {
        let (proxy, url) = through_proxy(self.node(), &self.url()).await;
        let agent = agent(&url, who).await;
        let mut proxies = self.proxies.lock().expect("no case panics with it");
        proxies.push((who.clone(), proxy));
        agent
    }

    async fn kill_agent(&self, who: &Who) {
        for (owner, proxy) in self.proxies.lock().expect("no case panics with it").iter() {
            if owner == who {
                proxy.cut();
            }
        }
    }

    async fn restart_broker(&self) {
        if let Ground::Alone(node) = &self.ground {
            let node = node.clone();
            blocking(move || {
                settle(&node);
                node.kill();
                node.start_again();
            })
            .await;
        }
    }
}

warrener_testkit::broker_suite!(RabbitHarness);
