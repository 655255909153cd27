//! Reads values out of the settings, and notes what is wrong with them at their origin.

use crate::config::keys;
use crate::config::layers::{Origin, Setting, Settings};
use crate::config::value::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use warrener_model::Mistake;

/// Reads values, and notes what is wrong with them at their origin.
pub(super) struct Look<'a> {
    pub(super) settings: &'a Settings,
    pub(super) mistakes: &'a mut Vec<Mistake>,
}

impl Look<'_> {
    pub(super) fn text(&self, path: &[&str]) -> Option<String> {
        match self.settings.get(path).map(|setting| &setting.value) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    /// A relative path of the file starts at the file's folder, any other where the command runs.
    pub(super) fn path(&self, path: &[&str], base: Option<&Path>) -> Option<PathBuf> {
        let text = self.text(path)?;
        let base = base.filter(|_| {
            let origin = self.settings.get(path).map(|setting| &setting.origin);
            matches!(origin, Some(Origin::File(..)))
        });
        Some(below(base, &text))
    }

    pub(super) fn flag(&self, path: &[&str]) -> bool {
        matches!(
            self.settings.get(path),
            Some(Setting {
                value: Value::Flag(true),
                ..
            })
        )
    }

    pub(super) fn number(&self, path: &[&str]) -> Option<u32> {
        match self.settings.get(path).map(|setting| &setting.value) {
            Some(Value::Number(number)) => u32::try_from(*number).ok(),
            _ => None,
        }
    }

    pub(super) fn span(&self, path: &[&str]) -> Option<Duration> {
        match self.settings.get(path).map(|setting| &setting.value) {
            Some(Value::Span(span)) => Some(*span),
            _ => None,
        }
    }

    pub(super) fn list(&self, path: &[&str]) -> Option<Vec<String>> {
        match self.settings.get(path).map(|setting| &setting.value) {
            Some(Value::List(items)) => Some(items.clone()),
            _ => None,
        }
    }

    /// A mistake about the value at a path, told at its origin.
    pub(super) fn wrong(&mut self, path: &[&str], message: impl Into<String>) {
        let name = path.join(".");
        let place = match self.settings.get(path).map(|setting| &setting.origin) {
            None | Some(Origin::Default) => name,
            Some(origin) => origin.to_string(),
        };
        self.mistakes.push(Mistake::at(place, message));
    }

    pub(super) fn take<T, E: ToString>(
        &mut self,
        path: &[&str],
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|e| self.wrong(path, e.to_string())).ok()
    }

    pub(super) fn maybe<T: FromStr<Err: ToString>>(&mut self, path: &[&str]) -> Option<T> {
        let text = self.text(path)?;
        self.take(path, text.parse::<T>())
    }

    /// A value that has a default, so only a bad one is missing.
    pub(super) fn parsed<T: FromStr<Err: ToString>>(&mut self, path: &[&str]) -> Option<T> {
        self.maybe(path)
    }

    /// The names that the user chose below a path, each once.
    pub(super) fn names(&self, path: &[&str]) -> Vec<String> {
        let below = self.settings.values.keys().filter(|known| {
            known.len() > path.len() && known.iter().zip(path).all(|(known, part)| known == part)
        });
        let names: BTreeSet<&String> = below.map(|known| &known[path.len()]).collect();
        names.into_iter().cloned().collect()
    }

    /// A value of what a user named, or the default of the table.
    pub(super) fn word(&self, path: &[&str]) -> Option<String> {
        self.text(path).or_else(|| {
            let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
            keys::find(&path)?.default.map(Into::into)
        })
    }

    pub(super) fn parsed_list<T: FromStr<Err: ToString>>(
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
pub(super) fn below(base: Option<&Path>, path: &str) -> PathBuf {
    base.map_or_else(|| PathBuf::from(path), |base| base.join(path))
}
