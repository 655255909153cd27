//! `config show`: every value with its source, secrets masked.

use super::keys::{self, CLASSES, Shape, dotted};
use super::layers::{Origin, Settings};
use serde::Serialize;
use warrener_model::retry::{Backoff, Jitter, Policies};
use warrener_model::time::format_span;

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// The setting.
    pub(crate) key: String,
    /// Its value, as JSON; secrets are masked.
    pub(crate) value: serde_json::Value,
    /// Where it came from.
    pub(crate) origin: String,
}

/// Every value that is set or has a default, by name. Retry policies show what holds for each class.
pub(crate) fn rows(settings: &Settings) -> Vec<Row> {
    let mut rows: Vec<Row> = settings
        .values
        .iter()
        .map(|(path, setting)| {
            let secret = keys::find(path).is_some_and(|key| key.shape == Shape::Secret);
            let value = setting.value.json();
            Row {
                key: dotted(path),
                value: match value.as_str() {
                    Some(text) if secret => masked(text).into(),
                    _ => value,
                },
                origin: setting.origin.to_string(),
            }
        })
        .collect();
    for row in policies() {
        if !rows.iter().any(|known| known.key == row.key) {
            rows.push(row);
        }
    }
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

/// The policies of the contract, as settings.
fn policies() -> Vec<Row> {
    let defaults = Policies::default();
    let mut rows = vec![];
    for name in CLASSES {
        let policy = defaults.of(name.parse().expect("the classes are the model's"));
        let backoff = match policy.backoff {
            Backoff::Exponential => "exponential",
            Backoff::Linear => "linear",
            Backoff::Fixed => "fixed",
        };
        let jitter = match policy.jitter {
            Jitter::Full => "full",
            Jitter::None => "none",
        };
        let values: [(&str, serde_json::Value); 5] = [
            ("retries", policy.retries.into()),
            ("backoff", backoff.into()),
            ("base", format_span(policy.base).into()),
            ("max", format_span(policy.max).into()),
            ("jitter", jitter.into()),
        ];
        rows.extend(values.map(|(field, value)| Row {
            key: format!("retry.{name}.{field}"),
            value,
            origin: Origin::Default.to_string(),
        }));
    }
    rows
}

/// A secret as it may be shown: a URL without its password, query and, for a webhook, its path; nothing of the rest.
pub(crate) fn masked(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        let word = text == "embedded" || text == "sqlite";
        return if word { text.into() } else { "***".into() };
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => format!("{user}@{host}"),
        },
        None => authority.to_owned(),
    };
    let path = if scheme.starts_with("http") && path.len() > 1 {
        "/***"
    } else {
        path.split(['?', '#']).next().unwrap_or_default()
    };
    format!("{scheme}://{authority}{path}")
}
