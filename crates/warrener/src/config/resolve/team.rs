//! The team: every `[[agent]]`.

use super::look::{Look, below};
use crate::config::AgentConfig;
use crate::config::value::Value;
use std::collections::BTreeMap;
use std::path::Path;

impl Look<'_> {
    pub(super) fn agents(&mut self, base: Option<&Path>) -> Vec<AgentConfig> {
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
}
