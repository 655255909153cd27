//! What an agent answers, and the vote in it: everything that could not be counted fairly is refused here, with the field
//! and the reason.

use super::{Method, Weight};
use crate::submission::Mistake;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The part of an answer that votes, as it came (contracts.md section 6).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Answer {
    /// The agent's own idea, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// How sure, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// One option.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// Options, the best first; those left out are equal last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ranking: Vec<String>,
    /// Credits spent on options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub credits: BTreeMap<String, u32>,
}

/// A vote that can be counted; options by their place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vote {
    /// For one.
    Choice(usize),
    /// In this order; each option once at most.
    Ranking(Vec<usize>),
    /// Credits, each above 0, together within the budget.
    Credits(BTreeMap<usize, u32>),
}

fn mistake(pointer: &str, message: String) -> Mistake {
    Mistake {
        pointer: pointer.to_owned(),
        message,
    }
}

impl Vote {
    /// Reads the vote that the method needs. All methods but `quadratic` and `ranked` take `choice`; `ranked` also takes a
    /// `choice` as a ranking of one.
    pub fn read(
        method: Method,
        budget: u32,
        options: &[String],
        answer: &Answer,
    ) -> Result<Self, Mistake> {
        let place = |pointer: &str, name: &String| {
            let found = options.iter().position(|option| option == name);
            found.ok_or_else(|| {
                let known = options.join("\", \"");
                mistake(
                    pointer,
                    format!("\"{name}\" is none of the options: \"{known}\""),
                )
            })
        };
        let choice = || match &answer.choice {
            Some(name) => place("/choice", name),
            None => Err(mistake(
                "/choice",
                "is missing: name one of the options".to_owned(),
            )),
        };
        match method {
            Method::Majority | Method::Expertise | Method::Unanimity => Ok(Self::Choice(choice()?)),
            Method::Ranked if answer.ranking.is_empty() => Ok(Self::Ranking(vec![choice()?])),
            Method::Ranked => ranking(&answer.ranking, place),
            Method::Quadratic => credits(&answer.credits, budget, place),
        }
    }

    /// How sure an answer is: nothing said is nothing said, and 0 is 0.
    pub fn confidence(answer: &Answer) -> Result<Option<Weight>, Mistake> {
        let Some(value) = answer.confidence else {
            return Ok(None);
        };
        match Weight::part(value) {
            Some(weight) => Ok(Some(weight)),
            None => Err(mistake(
                "/confidence",
                format!("must be from 0 to 1, not {value}"),
            )),
        }
    }

    /// The options this vote supports most: one, or for credits all with the most of them.
    pub fn first(&self) -> Vec<usize> {
        match self {
            Self::Choice(option) => vec![*option],
            Self::Ranking(order) => order.first().copied().into_iter().collect(),
            Self::Credits(spent) => {
                let most = spent.values().max();
                let best = spent.iter().filter(|(_, credits)| Some(*credits) == most);
                best.map(|(option, _)| *option).collect()
            }
        }
    }
}

fn ranking(
    names: &[String],
    place: impl Fn(&str, &String) -> Result<usize, Mistake>,
) -> Result<Vote, Mistake> {
    let mut order = Vec::with_capacity(names.len());
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let pointer = format!("/ranking/{index}");
        let option = place(&pointer, name)?;
        if !seen.insert(option) {
            return Err(mistake(&pointer, format!("names \"{name}\" a second time")));
        }
        order.push(option);
    }
    Ok(Vote::Ranking(order))
}

fn credits(
    names: &BTreeMap<String, u32>,
    budget: u32,
    place: impl Fn(&str, &String) -> Result<usize, Mistake>,
) -> Result<Vote, Mistake> {
    let mut spent = BTreeMap::new();
    for (name, credits) in names {
        let option = place("/credits", name)?;
        if *credits > 0 {
            spent.insert(option, *credits);
        }
    }
    let total: u64 = spent.values().map(|credits| u64::from(*credits)).sum();
    if total > u64::from(budget) {
        let message = format!("spends {total} credits; the budget is {budget}");
        return Err(mistake("/credits", message));
    }
    if spent.is_empty() {
        return Err(mistake(
            "/credits",
            format!("is missing or empty: spend up to {budget} on the options"),
        ));
    }
    Ok(Vote::Credits(spent))
}
