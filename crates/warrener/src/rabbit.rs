//! RabbitMQ as configured: whom to connect to, with what, and what its refusals mean to a person.

use crate::config;
use std::time::Duration;
use warrener_api::problem::Problem;
use warrener_backend::Error;
use warrener_model::name::Namespace;
use warrener_rabbitmq::check::{Finding, Login, Purpose};
use warrener_rabbitmq::{RabbitBroker, Role, Settings};

mod owned;

pub(crate) use owned::Owned;

/// Everything but who connects.
#[derive(Clone)]
pub(crate) struct Way(Settings);

impl Way {
    /// As configured; nothing where RabbitMQ is not the broker.
    pub(crate) fn of(config: &config::Config) -> Option<Way> {
        let url = match &config.broker {
            config::Broker::Amqp(url) => url,
            config::Broker::Embedded => return None,
        };
        Some(Way::to(
            url,
            &config.rabbit,
            &config.namespace,
            config.timers.confirm,
        ))
    }

    /// To this broker.
    pub(crate) fn to(
        url: &str,
        rabbit: &config::Rabbit,
        namespace: &Namespace,
        confirm: Duration,
    ) -> Way {
        Way(Settings {
            url: url.into(),
            namespace: namespace.clone(),
            ca: rabbit.ca.clone(),
            cert: rabbit.cert.clone(),
            key: rabbit.key.clone(),
            connect_deadline: rabbit.connect,
            confirm_deadline: confirm,
            heartbeat: rabbit.heartbeat,
            backoff_max: rabbit.reconnect,
            ..Settings::default()
        })
    }

    /// What a check finds, as this. No answer is waited for longer than `patience`, if it is given.
    /// Who logs in; the URL may be none.
    pub(crate) fn login(&self) -> warrener_backend::Result<Login> {
        warrener_rabbitmq::check::login(&self.0)
    }

    pub(crate) async fn check(
        &self,
        role: Role,
        patience: Option<Duration>,
        purpose: &Purpose,
    ) -> Vec<Finding> {
        let within = |usual: Duration| patience.map_or(usual, |patience| patience.min(usual));
        let Settings {
            connect_deadline,
            answer_deadline,
            confirm_deadline,
            ..
        } = self.0;
        let settings = Settings {
            role,
            connect_deadline: within(connect_deadline),
            answer_deadline: within(answer_deadline),
            confirm_deadline: within(confirm_deadline),
            ..self.0.clone()
        };
        warrener_rabbitmq::check::check(&settings, purpose).await
    }

    /// Begins to connect as this; comes back at once.
    pub(crate) fn connect(&self, role: Role) -> Result<RabbitBroker, Error> {
        RabbitBroker::connect(Settings {
            role,
            ..self.0.clone()
        })
    }
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a person has to do something about; nothing for what may pass by itself.
pub(crate) fn hopeless(error: &Error) -> Option<Problem> {
    Some(match error {
        Error::Taken { what, reason } => {
            Problem::new("namespace_taken", format!("{what} is taken: {reason}"))
        }
        Error::NotAllowed(why) => {
            let detail = format!("the broker does not let this end in: {why}");
            Problem::new("broker_refused", detail)
        }
        Error::Untrusted { reason, .. } => Problem::new(
            "broker_untrusted",
            format!("the broker is not trusted: {reason}"),
        ),
        Error::Invalid(why) => Problem::new("broker_unusable", why.clone()),
        _ => return None,
    })
}
