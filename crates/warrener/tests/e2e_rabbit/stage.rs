//! The stage of these tests: one private RabbitMQ node for all, a vhost of it for each place.

use std::sync::OnceLock;
use warrener_testkit::rabbit::{Node, Options, Vhost};

/// See above.
#[derive(Debug)]
pub(crate) struct Stage {
    vhost: Vhost<'static>,
}

/// Shared: nobody stops it or raises an alarm on it.
fn node() -> &'static Node {
    static NODE: OnceLock<Node> = OnceLock::new();
    NODE.get_or_init(|| Node::start(&Options::default()))
}

impl Stage {
    pub(crate) fn new() -> Self {
        Stage {
            vhost: node().vhost(),
        }
    }

    /// What every process of the place has in its environment.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("WARRENER_BROKER__URL", self.vhost.url()),
            ("WARRENER_BROKER__RECONNECT", "300ms".into()),
        ]
    }
}
