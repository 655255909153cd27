//! What texts have in common: words by their stems, without those that say nothing; which suggestions are alike; what
//! many speak of. English, as far as stems go; other languages are compared by whole words.

use super::Contribution;
use crate::name::AgentId;
use rust_stemmers::{Algorithm, Stemmer};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Themes that are named.
const THEMES: usize = 10;
/// Suggestions that share so much of their stems are one: three fifths of both together.
const ALIKE: (usize, usize) = (3, 5);
/// Words that carry no meaning of their own here.
const STOP: &str = "a about after all also am an and any are as at be because been before being both but by can could \
    did do does doing each for from further had has have having he her here him his how i if in into is it its just let me \
    more most my of off on once only or other our out over own same she should so some such than that the their them then \
    there these they this those through to too under until up use used uses using very was we were what when where which \
    while who why will with would you your";
/// Words that turn a suggestion around: what has one is never like what has not.
const AGAINST: [&str; 8] = [
    "no", "not", "never", "without", "against", "don", "avoid", "stop",
];

/// A theme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Theme {
    /// One or two words, as they are written most often.
    pub theme: String,
    /// How many agents speak of it.
    pub count: u32,
}

/// Suggestions that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The one that stands for all: said most often, then the shortest.
    pub name: String,
    /// Whose they are, sorted.
    pub of: Vec<AgentId>,
}

struct Word {
    stem: String,
    text: String,
}

fn words(text: &str, stemmer: &Stemmer) -> Vec<Word> {
    let lower = text.to_lowercase();
    let parts = lower.split(|c: char| !c.is_alphanumeric());
    let all = parts.filter(|word| !word.is_empty());
    let word = |word: &str| Word {
        stem: stemmer.stem(word).into_owned(),
        text: word.to_owned(),
    };
    let means = |word: &&str| !STOP.split_whitespace().any(|stop| stop == *word);
    let kept: Vec<Word> = all.clone().filter(means).map(word).collect();
    if kept.is_empty() {
        all.map(word).collect()
    } else {
        kept
    }
}

fn stemmer() -> Stemmer {
    Stemmer::create(Algorithm::English)
}

fn alike(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let against = |stems: &BTreeSet<String>| AGAINST.iter().any(|word| stems.contains(*word));
    let shared = a.intersection(b).count();
    against(a) == against(b) && 2 * shared * ALIKE.1 >= (a.len() + b.len()) * ALIKE.0 && shared > 0
}

/// Puts together what is alike: also what is alike only by way of a third one. The same in whatever order they come; the
/// largest group first, then by name.
pub fn groups(suggestions: &[(AgentId, String)]) -> Vec<Group> {
    let stemmer = stemmer();
    let stems: Vec<BTreeSet<String>> = suggestions
        .iter()
        .map(|(_, text)| {
            words(text, &stemmer)
                .into_iter()
                .map(|word| word.stem)
                .collect()
        })
        .collect();
    let mut group: Vec<usize> = (0..suggestions.len()).collect();
    for a in 0..stems.len() {
        for b in 0..a {
            let same = suggestions[a].1 == suggestions[b].1 || alike(&stems[a], &stems[b]);
            if same && group[a] != group[b] {
                let (from, to) = (group[a], group[b]);
                group
                    .iter_mut()
                    .filter(|of| **of == from)
                    .for_each(|of| *of = to);
            }
        }
    }
    let mut members: BTreeMap<usize, Vec<&(AgentId, String)>> = BTreeMap::new();
    for (suggestion, of) in suggestions.iter().zip(group) {
        members.entry(of).or_default().push(suggestion);
    }
    let mut groups: Vec<Group> = members.into_values().map(named).collect();
    groups.sort_by(|a, b| {
        b.of.len()
            .cmp(&a.of.len())
            .then_with(|| a.name.cmp(&b.name))
    });
    groups
}

fn named(members: Vec<&(AgentId, String)>) -> Group {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, text) in &members {
        *times.entry(text).or_default() += 1;
    }
    let best =
        |(text, times): &(&str, usize)| (std::cmp::Reverse(*times), text.len(), text.to_string());
    let name = times
        .into_iter()
        .min_by_key(best)
        .map_or("", |(text, _)| text);
    let mut of: Vec<AgentId> = members.iter().map(|(agent, _)| agent.clone()).collect();
    of.sort();
    Group {
        name: name.into(),
        of,
    }
}

/// What at least two agents speak of: single words and pairs, the most frequent first. A word that only comes in a pair
/// that is a theme itself is left out.
pub fn themes(contributions: &[Contribution]) -> Vec<Theme> {
    let stemmer = stemmer();
    let mut who: BTreeMap<Vec<String>, BTreeSet<&AgentId>> = BTreeMap::new();
    let mut spelled: BTreeMap<Vec<String>, BTreeMap<String, u32>> = BTreeMap::new();
    for one in contributions {
        let texts = [&one.answer.suggestion, &one.answer.rationale];
        for text in texts.into_iter().flatten() {
            let words = words(text, &stemmer);
            for grams in (1..=2).map(|length| words.windows(length)) {
                for gram in grams {
                    let key: Vec<String> = gram.iter().map(|word| word.stem.clone()).collect();
                    let text: Vec<&str> = gram.iter().map(|word| word.text.as_str()).collect();
                    who.entry(key.clone()).or_default().insert(&one.agent);
                    let ways = spelled.entry(key).or_default();
                    *ways.entry(text.join(" ")).or_default() += 1;
                }
            }
        }
    }
    who.retain(|_, agents| agents.len() > 1);
    let within = |key: &Vec<String>, agents: &BTreeSet<&AgentId>| {
        let mut others = who.iter();
        key.len() == 1
            && others.any(|(pair, of)| {
                pair.len() == 2 && pair.contains(&key[0]) && of.len() == agents.len()
            })
    };
    let kept = who.iter().filter(|(key, agents)| !within(key, agents));
    let mut themes: Vec<Theme> = kept
        .map(|(key, agents)| {
            let ways = spelled.get(key).into_iter().flatten();
            let best = ways.min_by_key(|(text, times)| (std::cmp::Reverse(**times), text.len()));
            Theme {
                theme: best.map(|(text, _)| text.clone()).unwrap_or_default(),
                count: u32::try_from(agents.len()).unwrap_or(u32::MAX),
            }
        })
        .collect();
    themes.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.theme.cmp(&b.theme)));
    themes.truncate(THEMES);
    themes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(texts: &[&str]) -> Vec<(AgentId, String)> {
        let agent = |n: usize| AgentId::new(&format!("a{n}")).unwrap();
        let pair = |(n, text): (usize, &&str)| (agent(n), (*text).to_owned());
        texts.iter().enumerate().map(pair).collect()
    }

    #[test]
    fn suggestions_that_say_the_same_are_one() {
        let groups = groups(&said(&[
            "Cache the results in SQLite",
            "caching results in sqlite",
            "Rewrite it in Rust",
            "We should not cache results in SQLite",
        ]));
        let sizes: Vec<(usize, &str)> = groups.iter().map(|g| (g.of.len(), &*g.name)).collect();
        assert_eq!(sizes[0], (2, "caching results in sqlite"));
        assert_eq!(sizes.len(), 3, "{sizes:?}");
    }

    #[test]
    fn words_without_meaning_still_tell_apart() {
        assert_eq!(groups(&said(&["do it", "do it", "?", "!"])).len(), 3);
    }
}
