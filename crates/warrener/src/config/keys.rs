//! The table of settings: path, shape, default, meaning. Everything else of the configuration follows from it.

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Any text.
    Text,
    /// A text that must not be shown: a token, or a URL with a password in it.
    Secret,
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds.
    Number(u64, u64),
    /// 0 to 1.
    Fraction,
    /// A duration such as 1500ms, 5s, 3m, 2h or 1d.
    Span,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of texts.
    List,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Where it stands; `*` is a name that the user chooses.
    pub(crate) path: &'static [&'static str],
    /// What it looks like.
    pub(crate) shape: Shape,
    /// Its value when nobody sets it, as a file would have it; nothing for what is then unset.
    pub(crate) default: Option<&'static str>,
    /// What it does.
    pub(crate) doc: &'static str,
}

use Shape::{Flag, Fraction, List, Number, Secret, Span, Text, Word};

/// The classes that have a policy.
pub(crate) const CLASSES: &[&str] = &[
    "network",
    "timeout",
    "invalid",
    "rate_limit",
    "resource",
    "business",
    "critical",
    "lost",
    "crash",
];

const ROLES: &[&str] = &["leader", "coordinator", "worker", "collaborator", "monitor"];

const fn key(
    path: &'static [&'static str],
    shape: Shape,
    default: Option<&'static str>,
    doc: &'static str,
) -> Key {
    Key {
        path,
        shape,
        default,
        doc,
    }
}

/// Every setting there is.
#[rustfmt::skip]
pub(crate) const KEYS: &[Key] = &[
    key(&["namespace"], Text, Some("agent"), "prefix of every queue and exchange; one store per namespace and vhost"),
    key(&["data_dir"], Text, Some(".warrener"), "the data folder"),
    key(&["token"], Secret, None, "bearer token; else the one in the data folder"),
    key(&["ca"], Text, None, "file with certificates (PEM) of authorities to trust for https, beside the system's"),
    key(&["agent_id"], Text, None, "who `agent run` is"),
    key(&["agent_name"], Text, None, "what `agent run` is called"),
    key(&["broker", "url"], Secret, Some("embedded"), "embedded, amqp://… or amqps://…"),
    key(&["broker", "ca"], Text, None, "file with certificates (PEM) of authorities to trust for amqps; the system's unless set"),
    key(&["broker", "cert"], Text, None, "file with the certificate (PEM) that this end shows to the broker; it logs in with it where the URL names no user"),
    key(&["broker", "key"], Text, None, "file with the private key of that certificate (PEM)"),
    key(&["broker", "connect"], Span, Some("10s"), "a connection to the broker is made within this, or tried again"),
    key(&["broker", "heartbeat"], Span, Some("10s"), "broker and this end show each other that they live this often; whole seconds"),
    key(&["broker", "reconnect"], Span, Some("2s"), "the longest wait before a connection is tried again"),
    key(&["store", "url"], Secret, Some("sqlite"), "sqlite or postgres://…"),
    key(&["server", "listen"], Text, Some("127.0.0.1:7766"), "where the server listens; elsewhere than loopback only with TLS or behind a proxy"),
    key(&["server", "url"], Text, None, "where clients and agents find the server"),
    key(&["server", "behind_proxy"], Flag, Some("false"), "a proxy in front of the server does TLS"),
    key(&["server", "tls_cert"], Text, None, "file with the server's certificate and those between it and an authority (PEM); the server then speaks TLS only"),
    key(&["server", "tls_key"], Text, None, "file with the private key of that certificate (PEM)"),
    key(&["lane", "*", "start"], Word(&["claim", "fast"]), Some("claim"), "how the tasks of this lane start: claimed first, or at once"),
    key(&["lane", "*", "window"], Number(1, 100_000), Some("1000"), "in a fast lane: how many tasks wait in the broker at most"),
    key(&["kind", "*", "input_schema"], Text, None, "file with the JSON Schema of this kind's input, checked at submit"),
    key(&["kind", "*", "may_spawn"], Flag, Some("false"), "tasks of this kind may open children"),
    key(&["kind", "*", "decompose"], Text, None, "tasks of this kind are done as parts: agent, for the workflow that their agent answers with; feature, bug-fix or refactor; or a workflow file"),
    key(&["kind", "*", "breaker", "failures"], Number(0, 1_000), None, "as under [breaker], for this kind; 0 is none"),
    key(&["kind", "*", "breaker", "window"], Span, None, "as under [breaker]"),
    key(&["kind", "*", "breaker", "open"], Span, None, "as under [breaker]"),
    key(&["kind", "*", "breaker", "probes"], Number(1, 1_000), None, "as under [breaker]"),
    key(&["breaker", "failures"], Number(0, 1_000), Some("0"), "so many failures of one kind without a success in between open its breaker: nothing more of it is started for a while; 0 is none"),
    key(&["breaker", "window"], Span, Some("1m"), "if all of them came within this"),
    key(&["breaker", "open"], Span, Some("30s"), "how long a breaker is open before a few tasks try again"),
    key(&["breaker", "probes"], Number(1, 1_000), Some("1"), "how many try, and how many successes close it"),
    key(&["retry", "*", "retries"], Number(0, 10_000), None, "retries of this class over a task's life; starts = retries + 1"),
    key(&["retry", "*", "backoff"], Word(&["exponential", "linear", "fixed"]), None, "how the delay grows"),
    key(&["retry", "*", "base"], Span, None, "the first delay"),
    key(&["retry", "*", "max"], Span, None, "the longest delay"),
    key(&["retry", "*", "jitter"], Word(&["full", "none"]), None, "how much of the delay is left to chance"),
    key(&["alert", "command"], List, None, "gets each alert as JSON on stdin"),
    key(&["alert", "webhook"], Secret, None, "gets each alert as a POST"),
    key(&["alert", "no_capable_agent_after"], Span, Some("45s"), "work of a kind that no agent serves alerts after this"),
    key(&["alert", "quiet"], Span, Some("60s"), "what happens again to the same lane, kind or agent within this is told together"),
    key(&["alert", "broker_blocked_after"], Span, Some("30s"), "a broker that takes nothing alerts after this"),
    key(&["dead", "keep"], Span, Some("30d"), "how long dead letters are kept"),
    key(&["dead", "auto_requeue", "class"], Word(CLASSES), None, "dead letters of this class are tried again by themselves"),
    key(&["dead", "auto_requeue", "younger"], Span, None, "if they died less than this ago"),
    key(&["dead", "auto_requeue", "times"], Number(1, 1_000), None, "at most so often each"),
    key(&["agent", "*", "name"], Text, None, "id and name of this agent of the team"),
    key(&["agent", "*", "role"], Word(ROLES), Some("worker"), "what it may do"),
    key(&["agent", "*", "lanes"], List, Some("default"), "the lanes it serves"),
    key(&["agent", "*", "kinds"], List, None, "the kinds it can run; all unless said"),
    key(&["agent", "*", "capabilities", "*"], Fraction, None, "how good it is at this, 0 to 1"),
    key(&["agent", "*", "concurrency"], Number(1, 1_024), Some("4"), "how many tasks it runs at once"),
    key(&["agent", "*", "run"], List, None, "the command, one word an item"),
    key(&["agent", "*", "cwd"], Text, None, "where the command runs; a new folder for each task unless said"),
    key(&["timers", "claim_repeat"], Span, Some("2s"), "an agent repeats a claim that was not answered after this"),
    key(&["timers", "claim_ttl"], Span, Some("30s"), "a claim that no server took in this time is gone"),
    key(&["timers", "grant_fresh"], Span, Some("10s"), "a grant that comes later than this after its claim is claimed again"),
    key(&["timers", "grace"], Span, Some("3s"), "how long a holder may take to answer before another run gets its task"),
    key(&["timers", "outcome_again"], Span, Some("10s"), "an outcome that was not answered is sent again after this"),
    key(&["timers", "offer_overdue"], Span, Some("30s"), "an offer that nobody claimed in this time is made again"),
    key(&["timers", "fast_overdue"], Span, Some("90s"), "an offer of a fast lane that left its queue, and that nobody spoke of for this long, is made again; longer than handoff"),
    key(&["timers", "handoff"], Span, Some("60s"), "a delivery is acknowledged within this"),
    key(&["timers", "heartbeat"], Span, Some("10s"), "agents send heartbeats this often"),
    key(&["timers", "lease"], Span, Some("45s"), "a run that nobody lists for this long is lost"),
    key(&["timers", "confirm"], Span, Some("10s"), "a publish is confirmed within this, or unknown"),
    key(&["timers", "caught_up"], Span, Some("5s"), "no result may wait longer than this when a lease is judged"),
    key(&["timers", "sweep"], Span, Some("5s"), "the server looks at leases this often, at most every 10s"),
    key(&["timers", "hello"], Span, Some("5s"), "an agent says hello this often until it is welcome"),
    key(&["retention", "finished"], Span, Some("7d"), "how long tasks that ended are kept, but dead ones"),
    key(&["retention", "keys"], Span, Some("7d"), "how long idempotency keys are kept, at least 7d"),
    key(&["retention", "agents"], Span, Some("7d"), "how long agents that are gone are shown"),
];

impl Key {
    /// Whether a path is this setting.
    pub(crate) fn is(&self, path: &[String]) -> bool {
        self.path.len() == path.len() && self.starts_with(path)
    }

    /// Whether a path leads to this setting.
    pub(crate) fn starts_with(&self, path: &[String]) -> bool {
        self.path.len() >= path.len()
            && path
                .iter()
                .zip(self.path)
                .all(|(part, known)| *known == "*" || part == known)
    }

    /// Whether the user chooses a part of its path.
    pub(crate) fn is_open(&self) -> bool {
        self.path.contains(&"*")
    }
}

/// The setting at a path.
pub(crate) fn find(path: &[String]) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.is(path))
}

/// What may follow after a path; empty when nothing does, `*` when anything does.
pub(crate) fn after(path: &[String]) -> Vec<&'static str> {
    let mut names: Vec<&str> = KEYS
        .iter()
        .filter(|key| key.path.len() > path.len() && key.starts_with(path))
        .map(|key| key.path[path.len()])
        .collect();
    names.dedup();
    names
}

/// The nearest of some words, if one is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(word, k), k))
        .filter(|(distance, k)| *distance <= 1 + k.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// What to say of a word that is not in a list.
pub(crate) fn instead(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("known are {}", known.join(", ")),
    }
}

/// A path as a file would name it.
pub(crate) fn dotted(path: &[String]) -> String {
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let parts = path.iter().map(|part| {
        if plain(part) {
            part.clone()
        } else {
            format!("{part:?}")
        }
    });
    parts.collect::<Vec<_>>().join(".")
}
