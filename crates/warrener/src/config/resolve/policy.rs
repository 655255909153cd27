//! Retry policies, alerts, dead letters, timers, retention.

use super::look::Look;
use crate::config::keys::{self, CLASSES};
use crate::config::layers::Origin;
use crate::config::{Alert, AutoRequeue, Patience, Retention, Timers};
use std::time::Duration;
use warrener_model::retry::Overrides;

impl Look<'_> {
    pub(super) fn retry(&mut self) -> Overrides {
        let mut retry = Overrides::new();
        for name in self.names(&["retry"]) {
            let at = |field: &'static str| ["retry", name.as_str(), field].map(str::to_owned);
            let class = match name.parse() {
                Ok(class) if CLASSES.contains(&name.as_str()) => class,
                _ => {
                    let first = ["retries", "backoff", "base", "max", "jitter"]
                        .into_iter()
                        .find(|field| self.settings.values.contains_key(at(field).as_slice()));
                    let path = ["retry", &name, first.unwrap_or("retries")];
                    let instead = keys::instead(&name, CLASSES);
                    self.wrong(
                        &path,
                        format!("no class \"{name}\" with a policy; {instead}"),
                    );
                    continue;
                }
            };
            let word = |field| {
                self.text(&["retry", &name, field])
                    .map(serde_json::Value::from)
            };
            let read = |value: serde_json::Value| serde_json::from_value(value).ok();
            let change = warrener_model::retry::Override {
                retries: self.number(&["retry", &name, "retries"]),
                backoff: word("backoff").and_then(read),
                base_ms: self.span(&["retry", &name, "base"]).map(millis),
                max_ms: self.span(&["retry", &name, "max"]).map(millis),
                jitter: word("jitter").and_then(|value| serde_json::from_value(value).ok()),
            };
            retry.insert(class, change);
        }
        retry
    }

    pub(super) fn alert(&mut self) -> Option<Alert> {
        let command = self.list(&["alert", "command"]);
        let webhook = self.text(&["alert", "webhook"]);
        match (command, webhook) {
            (Some(_), Some(_)) => {
                self.wrong(
                    &["alert", "webhook"],
                    "set alert.command or alert.webhook, not both",
                );
                None
            }
            (Some(command), None) if command.is_empty() => {
                self.wrong(&["alert", "command"], "must not be empty");
                None
            }
            (Some(command), None) => Some(Alert::Command(command)),
            (None, Some(url)) if url.starts_with("http://") || url.starts_with("https://") => {
                Some(Alert::Webhook(url))
            }
            (None, Some(_)) => {
                self.wrong(&["alert", "webhook"], "must be an http:// or https:// URL");
                None
            }
            (None, None) => None,
        }
    }

    pub(super) fn patience(&self) -> Option<Patience> {
        Some(Patience {
            no_capable_agent: self.span(&["alert", "no_capable_agent_after"])?,
            broker_blocked: self.span(&["alert", "broker_blocked_after"])?,
            quiet: self.span(&["alert", "quiet"])?,
        })
    }

    pub(super) fn auto_requeue(&mut self) -> Option<AutoRequeue> {
        let class = self.maybe(&["dead", "auto_requeue", "class"]);
        let younger = self.span(&["dead", "auto_requeue", "younger"]);
        let times = self.number(&["dead", "auto_requeue", "times"]);
        match (class, younger, times) {
            (Some(class), Some(younger), Some(times)) => Some(AutoRequeue {
                class,
                younger,
                times,
            }),
            (None, None, None) => None,
            _ => {
                let set = ["class", "younger", "times"].into_iter().find(|field| {
                    self.settings
                        .get(&["dead", "auto_requeue", field])
                        .is_some()
                });
                let path = ["dead", "auto_requeue", set.unwrap_or("class")];
                self.wrong(&path, "dead.auto_requeue needs class, younger and times");
                None
            }
        }
    }

    pub(super) fn timers(&mut self) -> Option<Timers> {
        let span = |name| self.span(&["timers", name]);
        let timers = Timers {
            claim_repeat: span("claim_repeat")?,
            claim_ttl: span("claim_ttl")?,
            grant_fresh: span("grant_fresh")?,
            grace: span("grace")?,
            outcome_again: span("outcome_again")?,
            offer_overdue: span("offer_overdue")?,
            fast_overdue: span("fast_overdue")?,
            handoff: span("handoff")?,
            heartbeat: span("heartbeat")?,
            lease: span("lease")?,
            confirm: span("confirm")?,
            caught_up: span("caught_up")?,
            sweep: span("sweep")?,
            hello: span("hello")?,
        };
        for name in self.names(&["timers"]) {
            if self
                .span(&["timers", &name])
                .is_some_and(|span| span.is_zero())
            {
                self.wrong(&["timers", &name], "must be longer than 0");
            }
        }
        if timers.lease < timers.heartbeat * 2 {
            let blamed = self.set_one(["lease", "heartbeat"]);
            let message =
                "a lease must be at least two heartbeats long, or living agents lose their work";
            self.wrong(&["timers", blamed], message);
        }
        if timers.fast_overdue <= timers.handoff {
            let blamed = self.set_one(["fast_overdue", "handoff"]);
            let message =
                "fast_overdue must be longer than handoff, or what agents run is offered again";
            self.wrong(&["timers", blamed], message);
        }
        if timers.sweep > Duration::from_secs(10) {
            self.wrong(&["timers", "sweep"], "must be at most 10s");
        }
        Some(timers)
    }

    /// The one of two timers that the user set, to blame it.
    fn set_one(&self, names: [&'static str; 2]) -> &'static str {
        let set = |name: &&str| {
            let setting = self.settings.get(&["timers", name]);
            setting.is_some_and(|setting| setting.origin != Origin::Default)
        };
        names.into_iter().find(set).unwrap_or(names[0])
    }

    pub(super) fn retention(&mut self) -> Option<Retention> {
        let retention = Retention {
            finished: self.span(&["retention", "finished"])?,
            keys: self.span(&["retention", "keys"])?,
            agents: self.span(&["retention", "agents"])?,
        };
        if retention.keys < warrener_model::limits::IDEMPOTENCY_KEEP {
            self.wrong(&["retention", "keys"], "must be at least 7d");
        }
        Some(retention)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
