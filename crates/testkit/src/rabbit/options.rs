//! How a node is to be.

use std::time::Duration;

/// All of a test node that can be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Plugins beside the broker; each makes the start longer.
    pub plugins: Vec<&'static str>,
    /// How long a consumer may hold a message; how often channels look is set to a part of it.
    pub consumer_timeout: Option<Duration>,
    /// Whether it listens for TLS as well.
    pub tls: Tls,
    /// More lines of `rabbitmq.conf`, as the version at hand knows them.
    pub config: String,
    /// What a start may take before it counts as failed.
    pub patience: Duration,
}

/// TLS beside plain AMQP, with certificates made for the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// None.
    Off,
    /// The server shows a certificate.
    Server,
    /// Clients show one too, and may log in by its common name.
    Mutual,
}

impl Options {
    /// With the management API, and with metrics for Prometheus.
    #[must_use]
    pub fn with_management() -> Options {
        Options {
            plugins: vec!["rabbitmq_management", "rabbitmq_prometheus"],
            ..Options::default()
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            plugins: Vec::new(),
            consumer_timeout: None,
            tls: Tls::Off,
            config: String::new(),
            patience: Duration::from_secs(180),
        }
    }
}
