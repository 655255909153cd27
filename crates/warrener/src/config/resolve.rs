//! Checks the values as a whole, and makes the plain [`Config`] of them.

use super::keys::{self, CLASSES};
use super::layers::{Origin, Setting, Settings};
use super::value::Value;
use super::{
    AgentConfig, Alert, AutoRequeue, Broker, Config, Dead, Identity, KindConfig, LaneConfig,
    Retention, Server, Start, Store, Timers,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use warrener_model::Mistake;
use warrener_model::name::{Kind, Lane};
use warrener_model::retry::Overrides;

/// The resolved configuration; nothing when there are mistakes.
pub(crate) fn resolve(
    settings: &Settings,
    base: Option<&Path>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Config> {
    let mut look = Look { settings, mistakes };
    let namespace = look.parsed(&["namespace"]);
    let broker = look.broker();
    let store = look.store();
    let listen = look.parsed(&["server", "listen"]);
    let id = look.maybe(&["agent_id"]);
    let lanes = look.lanes();
    let kinds = look.kinds(base);
    let retry = look.retry();
    let alert = look.alert();
    let auto_requeue = look.auto_requeue();
    let timers = look.timers();
    let retention = look.retention();
    let agents = look.agents(base);
    Some(Config {
        namespace: namespace?,
        data_dir: look.text(&["data_dir"]).map(PathBuf::from)?,
        token: look.text(&["token"]),
        broker: broker?,
        store: store?,
        server: Server {
            listen: listen?,
            url: look.text(&["server", "url"]),
            behind_proxy: look.flag(&["server", "behind_proxy"]),
        },
        agent: Identity {
            id,
            name: look.text(&["agent_name"]),
        },
        lanes,
        kinds,
        retry,
        alert,
        dead: Dead {
            keep: look.span(&["dead", "keep"])?,
            auto_requeue,
        },
        timers: timers?,
        retention: retention?,
        agents,
    })
}

/// Reads values, and notes what is wrong with them at their origin.
struct Look<'a> {
    settings: &'a Settings,
    mistakes: &'a mut Vec<Mistake>,
}

impl Look<'_> {
    fn text(&self, path: &[&str]) -> Option<String> {
        match self.settings.get(path).map(|setting| &setting.value) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    fn flag(&self, path: &[&str]) -> bool {
        matches!(
            self.settings.get(path),
            Some(Setting {
                value: Value::Flag(true),
                ..
            })
        )
    }

    fn number(&self, path: &[&str]) -> Option<u32> {
        match self.settings.get(path).map(|setting| &setting.value) {
            Some(Value::Number(number)) => u32::try_from(*number).ok(),
            _ => None,
        }
    }

    fn span(&self, path: &[&str]) -> Option<Duration> {
        match self.settings.get(path).map(|setting| &setting.value) {
            Some(Value::Span(span)) => Some(*span),
            _ => None,
        }
    }

    fn list(&self, path: &[&str]) -> Option<Vec<String>> {
        match self.settings.get(path).map(|setting| &setting.value) {
            Some(Value::List(items)) => Some(items.clone()),
            _ => None,
        }
    }

    /// A mistake about the value at a path, told at its origin.
    fn wrong(&mut self, path: &[&str], message: impl Into<String>) {
        let name = path.join(".");
        let place = match self.settings.get(path).map(|setting| &setting.origin) {
            None | Some(Origin::Default) => name,
            Some(origin) => origin.to_string(),
        };
        self.mistakes.push(Mistake::at(place, message));
    }

    fn take<T, E: ToString>(&mut self, path: &[&str], result: Result<T, E>) -> Option<T> {
        result.map_err(|e| self.wrong(path, e.to_string())).ok()
    }

    fn maybe<T: FromStr<Err: ToString>>(&mut self, path: &[&str]) -> Option<T> {
        let text = self.text(path)?;
        self.take(path, text.parse::<T>())
    }

    /// A value that has a default, so only a bad one is missing.
    fn parsed<T: FromStr<Err: ToString>>(&mut self, path: &[&str]) -> Option<T> {
        self.maybe(path)
    }

    /// The names that the user chose below a path, each once.
    fn names(&self, path: &[&str]) -> Vec<String> {
        let below = self.settings.values.keys().filter(|known| {
            known.len() > path.len() && known.iter().zip(path).all(|(known, part)| known == part)
        });
        let names: BTreeSet<&String> = below.map(|known| &known[path.len()]).collect();
        names.into_iter().cloned().collect()
    }

    /// A value of what a user named, or the default of the table.
    fn word(&self, path: &[&str]) -> Option<String> {
        self.text(path).or_else(|| {
            let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
            keys::find(&path)?.default.map(Into::into)
        })
    }

    fn broker(&mut self) -> Option<Broker> {
        let path = ["broker", "url"];
        match self.text(&path)?.as_str() {
            "embedded" => Some(Broker::Embedded),
            url if url.starts_with("amqp://") || url.starts_with("amqps://") => {
                Some(Broker::Amqp(url.into()))
            }
            _ => {
                self.wrong(
                    &path,
                    "must be embedded, or a URL such as amqp://user:password@host:5672/vhost",
                );
                None
            }
        }
    }

    fn store(&mut self) -> Option<Store> {
        let path = ["store", "url"];
        match self.text(&path)?.as_str() {
            "sqlite" => Some(Store::Sqlite),
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Some(Store::Postgres(url.into()))
            }
            _ => {
                self.wrong(
                    &path,
                    "must be sqlite, or a URL such as postgres://user:password@host/database",
                );
                None
            }
        }
    }

    fn lanes(&mut self) -> BTreeMap<Lane, LaneConfig> {
        let mut lanes = BTreeMap::new();
        for name in self.names(&["lane"]) {
            let path = ["lane", &name, "start"];
            let fast = self.word(&path).as_deref() == Some("fast");
            let start = if fast { Start::Fast } else { Start::Claim };
            if let Some(lane) = self.take(&path, Lane::new(&name)) {
                lanes.insert(lane, LaneConfig { start });
            }
        }
        lanes
    }

    fn kinds(&mut self, base: Option<&Path>) -> BTreeMap<Kind, KindConfig> {
        let mut kinds = BTreeMap::new();
        for name in self.names(&["kind"]) {
            let path = ["kind", &name, "input_schema"];
            let schema = self.text(&path).map(|file| below(base, &file));
            let may_spawn = self.flag(&["kind", &name, "may_spawn"]);
            if let Some(kind) = self.take(&path, Kind::new(&name)) {
                let config = KindConfig {
                    input_schema: schema,
                    may_spawn,
                };
                kinds.insert(kind, config);
            }
        }
        kinds
    }

    fn retry(&mut self) -> Overrides {
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

    fn alert(&mut self) -> Option<Alert> {
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

    fn auto_requeue(&mut self) -> Option<AutoRequeue> {
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

    fn timers(&mut self) -> Option<Timers> {
        let span = |name| self.span(&["timers", name]);
        let timers = Timers {
            claim_repeat: span("claim_repeat")?,
            claim_ttl: span("claim_ttl")?,
            grant_fresh: span("grant_fresh")?,
            grace: span("grace")?,
            outcome_again: span("outcome_again")?,
            offer_overdue: span("offer_overdue")?,
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

    fn retention(&mut self) -> Option<Retention> {
        let retention = Retention {
            finished: self.span(&["retention", "finished"])?,
            keys: self.span(&["retention", "keys"])?,
        };
        if retention.keys < warrener_model::limits::IDEMPOTENCY_KEEP {
            self.wrong(&["retention", "keys"], "must be at least 7d");
        }
        Some(retention)
    }

    fn agents(&mut self, base: Option<&Path>) -> Vec<AgentConfig> {
        let mut indexes: Vec<String> = self.names(&["agent"]);
        indexes.sort_by_key(|index| index.parse::<usize>().unwrap_or(usize::MAX));
        let mut agents: Vec<AgentConfig> = vec![];
        for index in indexes {
            let Some(agent) = self.agent(&index, base) else {
                continue;
            };
            if agents.iter().any(|known| known.name == agent.name) {
                let message = format!("there is another agent \"{}\"", agent.name);
                self.wrong(&["agent", &index, "name"], message);
            }
            agents.push(agent);
        }
        agents
    }

    fn agent(&mut self, index: &str, base: Option<&Path>) -> Option<AgentConfig> {
        let at = |field| ["agent", index, field];
        for field in ["name", "run"] {
            if self.settings.get(&at(field)).is_none() {
                let some = self.names(&["agent", index]).into_iter().next()?;
                self.wrong(
                    &["agent", index, &some],
                    format!("this agent has no {field}"),
                );
                return None;
            }
        }
        let run = self.list(&at("run"))?;
        if run.is_empty() {
            self.wrong(&at("run"), "must name a command");
        }
        let mut capabilities = BTreeMap::new();
        for name in self.names(&["agent", index, "capabilities"]) {
            let path = ["agent", index, "capabilities", &name];
            let level = match self.settings.get(&path).map(|setting| &setting.value) {
                Some(Value::Fraction(level)) => *level,
                _ => continue,
            };
            if let Some(name) = self.take(&path, name.parse()) {
                capabilities.insert(name, level);
            }
        }
        Some(AgentConfig {
            name: self.parsed(&at("name"))?,
            role: self.word(&at("role"))?.parse().ok()?,
            lanes: self.parsed_list(&at("lanes"), &["default"])?,
            kinds: self.parsed_list(&at("kinds"), &[])?,
            capabilities,
            concurrency: self.number(&at("concurrency")).unwrap_or(4),
            run,
            cwd: self.text(&at("cwd")).map(|dir| below(base, &dir)),
        })
    }

    fn parsed_list<T: FromStr<Err: ToString>>(
        &mut self,
        path: &[&str],
        default: &[&str],
    ) -> Option<Vec<T>> {
        let default = || default.iter().map(|item| (*item).to_owned()).collect();
        let items: Vec<String> = self.list(path).unwrap_or_else(default);
        let parsed: Result<Vec<T>, _> = items.iter().map(|item| item.parse()).collect();
        self.take(path, parsed)
    }
}

/// A relative path starts at the configuration file's folder.
fn below(base: Option<&Path>, path: &str) -> PathBuf {
    base.map_or_else(|| PathBuf::from(path), |base| base.join(path))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
