//! Flags of `warrener broker …`.

use super::server::BROKER_FLAG;
use crate::config::layers::Flag;
use clap::{Args, Subcommand};
use warrener_model::{AgentId, Lane};

/// Look at RabbitMQ
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say whether RabbitMQ is fit for a server, or for an agent, and what to do if not
    ///
    /// Connects and looks at version, login, queues, alarms, permissions, the
    /// owner of the namespace and timeouts. It needs no server and changes
    /// nothing. Exit code 6: something has to be done. 7: nobody answers.
    ///
    /// Examples:
    ///   warrener broker check
    ///   warrener broker check --broker amqps://server:secret@rabbit.example.org/blue -o json
    ///   warrener broker check --agent backend --lane backend
    ///   warrener broker check --management http://rabbit.example.org:15672
    #[command(verbatim_doc_comment)]
    Check(Check),
}

/// What to look at
#[derive(Args, Clone, Debug)]
pub(crate) struct Check {
    /// The broker: amqp://… or amqps://… [default: the configured one]
    #[arg(long, value_name = "URL")]
    pub(crate) broker: Option<String>,
    /// The broker's management API, for policies: http://HOST:15672
    #[arg(long, value_name = "URL")]
    pub(crate) management: Option<String>,
    /// With the rights that this agent needs, instead of a server's
    #[arg(long, value_name = "N")]
    pub(crate) agent: Option<AgentId>,
    /// A lane to look at; may be repeated [default: those of the configuration]
    #[arg(long = "lane", value_name = "L")]
    pub(crate) lanes: Vec<Lane>,
}

impl Check {
    /// These flags as settings.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let flag = self.broker.as_ref().map(|url| Flag {
            path: &["broker", "url"],
            name: BROKER_FLAG,
            value: url.clone(),
        });
        flag.into_iter().collect()
    }
}
