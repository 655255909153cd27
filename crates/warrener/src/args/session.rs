//! Flags of `warrener session …`.

use super::task::PageArgs;
use super::values::{Input, input, span};
use clap::{Args, Subcommand};
use std::time::Duration;
use warrener_model::SessionId;

/// Put a question to agents, and see what they decided
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Ask agents a question
    ///
    /// Prints the id; with --wait waits for the end and prints what was decided. The exit code is then 0 for a
    /// decision, 10 for none, 11 when it was cancelled.
    ///
    /// Examples:
    ///   warrener session open --question 'Which store?' --option sqlite --option postgres --wait
    ///   warrener session open --question 'How do we cache?' --required cap:api,2 --rounds 3 --deadline 2m
    #[command(verbatim_doc_comment)]
    Open(Box<Open>),
    /// Show a session: what was said, counted and decided
    ///
    /// Example:
    ///   warrener session get 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --wait -o json
    #[command(verbatim_doc_comment)]
    Get(Get),
    /// List sessions, the newest first
    ///
    /// Example:
    ///   warrener session list -f state:open
    #[command(verbatim_doc_comment)]
    List(List),
    /// Answer in a session, in the place of one of those who are asked
    ///
    /// For people who take part: `--required agent:me` asks somebody who runs no program.
    ///
    /// Examples:
    ///   warrener session answer 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --as me --choice sqlite --rationale 'one file'
    ///   warrener session answer 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --as me --credit sqlite=4 --credit postgres=1
    #[command(verbatim_doc_comment)]
    Answer(Box<Answer>),
    /// Call a session off: nothing is decided
    ///
    /// Example:
    ///   warrener session cancel 01931b66-7d50-7c8a-b7a5-64d2f14f8c11 --reason 'decided at lunch'
    #[command(verbatim_doc_comment, visible_alias = "close")]
    Cancel(Cancel),
}

/// See [`Verb::Open`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Open {
    /// What is to be decided
    #[arg(long, value_name = "Q")]
    pub(crate) question: String,
    /// What it is about, in one line
    #[arg(long, value_name = "T")]
    pub(crate) topic: Option<String>,
    /// What can be chosen; without any, the ideas of those who are asked
    #[arg(long = "option", value_name = "O")]
    pub(crate) options: Vec<String>,
    /// For those who answer: JSON, @FILE or - for stdin
    #[arg(long, value_name = "JSON", value_parser = input)]
    pub(crate) context: Option<Input>,
    /// Who must answer: cap:NAME, agent:ID or a number, with commas between; else everybody who lives
    #[arg(long, value_name = "WHO", value_delimiter = ',')]
    pub(crate) required: Vec<String>,
    /// majority, expertise, quadratic, ranked or unanimity
    #[arg(long, value_name = "M")]
    pub(crate) method: Option<String>,
    /// The first of several asks for ideas, the last one is counted, those between are for critique
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<u32>,
    /// How long each round may take; 60s unless said
    #[arg(long, value_name = "D", value_parser = span)]
    pub(crate) deadline: Option<Duration>,
    /// The share of those who live now that must have answered; 0.5 unless said
    #[arg(long, value_name = "SHARE")]
    pub(crate) quorum: Option<f64>,
    /// For unanimity: the share that must agree
    #[arg(long, value_name = "SHARE")]
    pub(crate) threshold: Option<f64>,
    /// For quadratic: credits of each voice
    #[arg(long, value_name = "N")]
    pub(crate) budget: Option<u32>,
    /// Two are equal at the end: none (no decision) or first
    #[arg(long, value_name = "RULE")]
    pub(crate) tie: Option<String>,
    /// Each voice is worth its confidence
    #[arg(long)]
    pub(crate) weigh_confidence: bool,
    /// For expertise: the capability that weighs
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) expertise: Option<String>,
    /// The agent that asks, and is not asked itself
    #[arg(long, value_name = "AGENT")]
    pub(crate) initiator: Option<String>,
    /// It is asked, too
    #[arg(long, requires = "initiator")]
    pub(crate) include_initiator: bool,
    /// Wait for the end
    #[arg(long)]
    pub(crate) wait: bool,
}

/// See [`Verb::Get`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Get {
    /// The session
    #[arg(value_name = "ID")]
    pub(crate) id: SessionId,
    /// Wait for the end
    #[arg(long)]
    pub(crate) wait: bool,
}

/// See [`Verb::List`].
#[derive(Args, Clone, Debug)]
pub(crate) struct List {
    /// state:open, state:decided, state:no_decision or state:cancelled
    #[arg(short, long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// See [`Verb::Answer`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Answer {
    /// The session
    #[arg(value_name = "ID")]
    pub(crate) id: SessionId,
    /// In whose place
    #[arg(long = "as", value_name = "AGENT")]
    pub(crate) agent: String,
    /// To which round; the one under way unless said
    #[arg(long, value_name = "N")]
    pub(crate) round: Option<u32>,
    /// An idea, in a round of ideas
    #[arg(long, value_name = "TEXT")]
    pub(crate) suggestion: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) rationale: Option<String>,
    /// How sure, 0 to 1
    #[arg(long, value_name = "SHARE")]
    pub(crate) confidence: Option<f64>,
    /// One option
    #[arg(long, value_name = "OPTION")]
    pub(crate) choice: Option<String>,
    /// For ranked: options, the best first; one flag each
    #[arg(long = "rank", value_name = "OPTION")]
    pub(crate) ranking: Vec<String>,
    /// For quadratic: credits spent on an option; one flag each
    #[arg(long = "credit", value_name = "OPTION=N", value_parser = credit)]
    pub(crate) credits: Vec<(String, u32)>,
}

/// Reads `OPTION=N`.
fn credit(text: &str) -> Result<(String, u32), String> {
    let pair = text.rsplit_once('=');
    let pair = pair.and_then(|(option, n)| Some((option.to_owned(), n.parse().ok()?)));
    pair.ok_or_else(|| format!("\"{text}\" is not OPTION=N"))
}

/// See [`Verb::Cancel`].
#[derive(Args, Clone, Debug)]
pub(crate) struct Cancel {
    /// The session
    #[arg(value_name = "ID")]
    pub(crate) id: SessionId,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}
