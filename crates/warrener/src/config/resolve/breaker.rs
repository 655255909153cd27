//! Circuit breakers: `[breaker]` for every kind, and `[kind.X.breaker]`, which says what is different for one.

use super::look::Look;
use std::collections::BTreeMap;
use warrener_model::Kind;
use warrener_model::breaker::{Rule, Rules};

const FIELDS: [&str; 4] = ["failures", "window", "open", "probes"];

impl Look<'_> {
    pub(super) fn breakers(&mut self) -> Rules {
        let others = self.rule(&["breaker"]);
        let mut kinds = BTreeMap::new();
        for name in self.names(&["kind"]) {
            let path = ["kind", name.as_str(), "breaker"];
            let Some(first) = FIELDS.into_iter().find(|field| self.has(&path, field)) else {
                continue;
            };
            let rule = self.rule(&path);
            if rule.is_none() && !self.has(&path, "failures") {
                let message =
                    "needs failures, here or under [breaker]: without it there is no breaker";
                self.wrong(&[&path[..], &[first]].concat(), message);
            }
            // A bad name is told where kinds are read.
            kinds.extend(Kind::new(&name).map(|kind| (kind, rule)));
        }
        Rules { others, kinds }
    }

    /// The rule of a table; nothing when it is off. What it does not say is as under `[breaker]`.
    fn rule(&mut self, table: &[&str]) -> Option<Rule> {
        for field in ["window", "open"] {
            let path = [table, &[field]].concat();
            if self.span(&path).is_some_and(|span| span.is_zero()) {
                self.wrong(&path, "must be longer than 0");
            }
        }
        let [failures, window, open, probes] = FIELDS.map(|field| match self.has(table, field) {
            true => [table, &[field]].concat(),
            false => vec!["breaker", field],
        });
        Some(Rule {
            failures: self.number(&failures).filter(|count| *count > 0)?,
            window: self.span(&window)?,
            open: self.span(&open)?,
            probes: self.number(&probes)?,
        })
    }

    fn has(&self, table: &[&str], field: &str) -> bool {
        self.settings.get(&[table, &[field]].concat()).is_some()
    }
}
