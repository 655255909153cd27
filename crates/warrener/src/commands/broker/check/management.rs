//! RabbitMQ's management API, which knows what AMQP does not tell: the policies of queues.

use crate::config::Config;
use crate::tls;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::time::Duration;
use ureq::http::Uri;
use warrener_api::client::{encoded, trust};
use warrener_rabbitmq::check::{Login, Policed};

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer: some ten thousand queues.
const ANSWER: u64 = 16 * 1024 * 1024;
const COLUMNS: &str = "name,policy,operator_policy,effective_policy_definition";

/// The queues of the vhost with their policies, or why they cannot be had.
pub(super) fn queues(
    base: &str,
    login: &Login,
    config: &Config,
    patience: Option<Duration>,
) -> Result<Vec<Policed>, String> {
    let base = base.trim_end_matches('/');
    let url = format!(
        "{base}/api/queues/{}?columns={COLUMNS}",
        encoded(&login.vhost)
    );
    let of_http =
        |url: &Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
    if !url.parse().is_ok_and(|url| of_http(&url)) {
        return Err("it must look like http://HOST:15672".into());
    }
    let roots = tls::roots(config.ca.as_deref()).map_err(|problem| problem.detail.clone())?;
    let caller: ureq::Agent = ureq::Agent::config_builder()
        .tls_config(trust(&roots))
        .max_redirects(0)
        .timeout_global(Some(
            patience.map_or(PATIENCE, |patience| patience.min(PATIENCE)),
        ))
        .build()
        .into();
    let asked = caller
        .get(&url)
        .header("authorization", &basic(login))
        .call();
    let mut answer = asked.map_err(|error| match error {
        ureq::Error::StatusCode(status @ (401 | 403)) => format!(
            "{status}: user {} may not ask it; rabbitmqctl set_user_tags {} management",
            login.user, login.user
        ),
        error => error.to_string(),
    })?;
    let body = answer.body_mut().with_config().limit(ANSWER).read_json();
    let rows: Vec<serde_json::Value> =
        body.map_err(|error| format!("it does not answer with queues: {error}"))?;
    Ok(rows.iter().filter_map(Policed::read).collect())
}

fn basic(login: &Login) -> String {
    let words = format!("{}:{}", login.user, login.password);
    format!("Basic {}", BASE64_STANDARD.encode(words))
}
