//! Reading a request: every mistake of shape, with its place and the nearest name.

use super::{FIELDS, Mistake, Submission, trimmed, unknown};
use crate::failure::Class;
use crate::json::Json;
use crate::retry::Override;
use std::collections::BTreeMap;

impl Submission {
    /// Reads one request; unknown fields are mistakes with a suggestion.
    ///
    /// # Errors
    /// Every mistake of shape that the text has.
    pub fn read(text: &str) -> Result<Submission, Vec<Mistake>> {
        let fields: BTreeMap<String, Json> = serde_json::from_str(text)
            .map_err(|e| vec![Mistake::at("", format!("not a JSON object: {e}"))])?;
        let mut mistakes: Vec<Mistake> = fields
            .keys()
            .filter(|name| !FIELDS.contains(&name.as_str()))
            .map(|name| Mistake::at(format!("/{name}"), unknown(name, &FIELDS)))
            .collect();
        let unread = fields.get("retry").map(unknown_retry).unwrap_or_default();
        let told = !unread.is_empty();
        mistakes.extend(unread);
        match serde_json::from_str::<Submission>(text) {
            Ok(submission) if mistakes.is_empty() => return Ok(submission),
            Ok(_) => {}
            Err(error) => {
                let place = blame(&fields);
                if place != "/retry" || !told {
                    mistakes.push(Mistake::at(place, trimmed(&error)));
                }
            }
        }
        Err(mistakes)
    }
}

/// Names within `retry` that are none: classes, and parts of their policies.
fn unknown_retry(retry: &Json) -> Vec<Mistake> {
    let words = Class::ALL.map(Class::as_str);
    let mut mistakes = vec![];
    for (class, change) in retry.value().as_object().into_iter().flatten() {
        if !words.contains(&class.as_str()) {
            mistakes.push(Mistake::at(
                format!("/retry/{class}"),
                unknown(class, &words),
            ));
        }
        for name in change
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
        {
            if !Override::FIELDS.contains(&name.as_str()) {
                let pointer = format!("/retry/{class}/{name}");
                mistakes.push(Mistake::at(pointer, unknown(name, &Override::FIELDS)));
            }
        }
    }
    mistakes
}

/// The first field that cannot be read on its own.
fn blame(fields: &BTreeMap<String, Json>) -> String {
    for (name, value) in fields {
        let alone = BTreeMap::from([(name, value)]);
        let text = serde_json::to_string(&alone).unwrap_or_default();
        if FIELDS.contains(&name.as_str()) && serde_json::from_str::<Submission>(&text).is_err() {
            return format!("/{name}");
        }
    }
    String::new()
}
