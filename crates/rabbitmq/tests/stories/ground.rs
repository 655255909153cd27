//! What the stories stand on here: a vhost for each, and a proxy before each agent, so that it can be cut off.

use crate::harness::{Mode, up};
use crate::stage::{asked, close_connections, delete_queue, node, quick, through_proxy, vhost};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use warrener_backend::broker::Depth;
use warrener_backend::{Address, Broker, Inbox};
use warrener_model::Lane;
use warrener_model::agent::Who;
use warrener_rabbitmq::{Limits, RabbitBroker, Role, Settings};
use warrener_testkit::proxy::Proxy;
use warrener_testkit::rabbit::Vhost;

/// Every mode that this broker can play: it never grants what it delivers.
pub(crate) const MODES: [Mode; 2] = [Mode::Claim, Mode::Fast];

/// Those of them in which a run starts by a grant that a story can wait for.
pub(crate) const CLAIMED: [Mode; 1] = [Mode::Claim];

/// A lease that a story can wait for, and long enough for an agent to be heard in time, on a machine that is busy.
pub(crate) const SHORT_LEASE: Duration = Duration::from_millis(1_500);

/// One broker, for one story; a cheap handle.
#[derive(Clone)]
pub(crate) struct Ground {
    vhost: Arc<Vhost<'static>>,
    proxies: Arc<Mutex<Vec<(Who, Proxy)>>>,
}

impl Ground {
    pub(crate) async fn new(_: Mode) -> Self {
        Ground {
            vhost: Arc::new(vhost().await),
            proxies: Arc::default(),
        }
    }

    /// A server's connection, which is up.
    pub(crate) async fn server(&self) -> Arc<dyn Broker> {
        let broker = connect(&self.vhost.url(), Role::Server);
        up(&broker).await;
        Arc::new(broker)
    }

    /// The connection of one boot of an agent; it may take a moment to be up.
    pub(crate) fn agent(&self, who: &Who) -> Arc<dyn Broker> {
        let url = self.vhost.url();
        let start = || Handle::current().block_on(through_proxy(node(), &url));
        let (proxy, url) = tokio::task::block_in_place(start);
        self.proxies.lock().unwrap().push((who.clone(), proxy));
        Arc::new(connect(&url, Role::Agent(who.clone())))
    }

    /// What every reader holds, too: asked of the queue itself, for the port and the broker's own counts know less.
    pub(crate) async fn depth(&self, address: &Address) -> Depth {
        let queue = queue(address);
        let counts = format!(
            r#"{{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r(VHOST, queue, <<"{queue}">>)),
            [element(2, ra:consistent_query(amqqueue:get_pid(Queue), {{rabbit_fifo, Count, []}}))
                || Count <- [query_messages_total, query_messages_ready, query_consumer_count]]."#
        );
        let counts = asked(&self.vhost.url(), &counts).await;
        let Ok([total, ready, consumers]) = serde_json::from_str::<[u64; 3]>(&counts) else {
            panic!("{counts}");
        };
        Depth {
            ready,
            // One number says whether anything is left: what moves between two questions is not missed.
            unsettled: total.saturating_sub(ready),
            consumers,
        }
    }

    /// That boot's connection ends without a word; it may make another.
    pub(crate) fn cut(&self, who: &Who) {
        let proxies = self.proxies.lock().unwrap();
        let of = proxies.iter().filter(|(owner, _)| owner == who);
        of.for_each(|(_, proxy)| proxy.cut());
    }

    /// The server's process ends: this broker does not care.
    pub(crate) async fn server_ends(&self) {}

    /// Every connection ends, and no message outlives it.
    pub(crate) async fn lose_messages(&self) {
        close_connections(&self.vhost.url()).await;
        let purge = "[rabbit_amqqueue:purge(Queue) || Queue <- rabbit_amqqueue:list(VHOST)].";
        asked(&self.vhost.url(), purge).await;
    }

    /// No address of offers is there any more.
    pub(crate) async fn lose_offers(&self) {
        let offers = queue(&Address::Offers(Lane::default()));
        delete_queue(&self.vhost.url(), offers).await;
    }
}

fn connect(url: &str, role: Role) -> RabbitBroker {
    let settings = Settings {
        limits: Limits::default(),
        ..quick(url, role)
    };
    RabbitBroker::connect(settings).unwrap()
}

/// By the names of the contract.
fn queue(address: &Address) -> &'static str {
    match address {
        Address::Offers(lane) if *lane == Lane::default() => "agent.tasks",
        Address::Inbox(Inbox::Submit) => "agent.submit",
        Address::Dead => "agent.tasks.dead",
        other => panic!("no story asks about {other}"),
    }
}
