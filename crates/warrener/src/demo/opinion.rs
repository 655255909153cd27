//! What the agents of the demo say when they are asked: each looks at the same numbers with an eye of its own.

use clap::ValueEnum;
use serde_json::{Value, json};
use std::path::Path;

/// What an agent looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Eye {
    /// Links that lead nowhere.
    Links,
    /// The longest file.
    Size,
    /// The shortest file.
    Ease,
}

/// Answers an invitation: with an idea of its own first, then with its choice among all ideas.
pub(super) fn answer(eye: Eye, invite: &Value) -> Value {
    let (idea, rationale, confidence) = idea(eye, &invite["context"]);
    if invite["phase"] == "propose" {
        return json!({ "suggestion": idea, "rationale": rationale, "confidence": confidence });
    }
    let options = invite["options"].as_array().cloned().unwrap_or_default();
    let own = options.iter().find(|option| **option == *idea);
    // Who saw nothing that hurts follows somebody else, if there is anybody.
    let other = options.iter().find(|option| **option != *idea);
    let choice = match confidence < 0.5 {
        true => other.or(own),
        false => own.or(other),
    };
    json!({ "choice": choice, "rationale": rationale, "confidence": confidence })
}

/// A suggestion, its reason, and how sure it is.
fn idea(eye: Eye, found: &Value) -> (String, String, f64) {
    let file = |value: &Value| {
        let name = Path::new(value.as_str().unwrap_or_default()).file_name();
        name.unwrap_or_default().to_string_lossy().into_owned()
    };
    match eye {
        Eye::Links => {
            let broken = found["broken"].as_array().map_or(0, Vec::len);
            match found["broken"].as_array().and_then(|all| all.first()) {
                Some(first) => (
                    format!("mend the broken links, beginning in {}", file(&first["in"])),
                    format!("{broken} of {} links lead nowhere", found["links"]),
                    0.9,
                ),
                None => (
                    "leave the links as they are".into(),
                    format!("none of {} is broken", found["links"]),
                    0.2,
                ),
            }
        }
        Eye::Size => {
            let longest = &found["longest"];
            (
                format!("split {}", file(&longest["path"])),
                format!("{} of {} lines are in it", longest["lines"], found["lines"]),
                0.7,
            )
        }
        Eye::Ease => {
            let shortest = &found["shortest"];
            (
                format!("finish {}, it takes a minute", file(&shortest["path"])),
                format!("it has only {} words", shortest["words"]),
                0.6,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(broken: Value) -> Value {
        json!({ "links": 3, "lines": 30, "broken": broken, "longest": { "path": "/f/long.md", "lines": 20 },
            "shortest": { "path": "/f/short.md", "words": 2 } })
    }

    #[test]
    fn three_eyes_have_three_ideas_and_vote_for_them() {
        let found = found(json!([{ "in": "/f/a.md", "link": "b.md" }]));
        let ideas: Vec<Value> = Eye::value_variants()
            .iter()
            .map(|eye| answer(*eye, &json!({ "phase": "propose", "context": found })))
            .collect();
        let said: Vec<&str> = ideas
            .iter()
            .filter_map(|i| i["suggestion"].as_str())
            .collect();
        let expected = [
            "mend the broken links, beginning in a.md",
            "split long.md",
            "finish short.md, it takes a minute",
        ];
        assert_eq!(said, expected);
        for (eye, idea) in Eye::value_variants().iter().zip(expected) {
            let vote = json!({ "phase": "vote", "context": found, "options": expected });
            assert_eq!(answer(*eye, &vote)["choice"], idea);
        }
    }

    #[test]
    fn who_saw_nothing_follows_somebody_else() {
        let options = ["leave the links as they are", "split long.md"];
        let vote = json!({ "phase": "vote", "context": found(json!([])), "options": options });
        assert_eq!(answer(Eye::Links, &vote)["choice"], "split long.md");
    }
}
