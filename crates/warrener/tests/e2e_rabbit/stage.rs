//! The stage of these tests: one private RabbitMQ node for all, a vhost of it for each place.

use std::cell::RefCell;
use std::sync::OnceLock;
use warrener_testkit::rabbit::{Node, Options, Vhost};

thread_local! {
    /// Where the next place of this thread is, instead.
    static ELSEWHERE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// See above.
#[derive(Debug)]
pub(crate) struct Stage {
    url: String,
    /// Removed with its place.
    _vhost: Option<Vhost<'static>>,
}

/// Shared: nobody stops it or raises an alarm on it.
fn node() -> &'static Node {
    static NODE: OnceLock<Node> = OnceLock::new();
    NODE.get_or_init(|| Node::start(&Options::default()))
}

impl Stage {
    pub(crate) fn new() -> Self {
        if let Some(url) = ELSEWHERE.take() {
            return Stage { url, _vhost: None };
        }
        let vhost = node().vhost();
        Stage {
            url: vhost.url(),
            _vhost: Some(vhost),
        }
    }

    /// What every process of the place has in its environment.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("WARRENER_BROKER__URL", self.url.clone()),
            ("WARRENER_BROKER__RECONNECT", "300ms".into()),
        ]
    }
}

/// What `make` makes is on the broker at this URL.
pub(crate) fn at<T>(url: &str, make: impl FnOnce() -> T) -> T {
    ELSEWHERE.set(Some(url.to_owned()));
    let made = make();
    assert!(ELSEWHERE.take().is_none(), "it made a place");
    made
}

/// The URL of a vhost that several places share.
pub(crate) fn vhost() -> Vhost<'static> {
    node().vhost()
}
