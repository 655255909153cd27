//! What a step with `session` asks, with its templates filled in.

use crate::plan::{filled, plain};
use crate::template::Context;
use crate::workflow::{Session, Step};
use serde_json::Value;
use warrener_model::json::Json;
use warrener_model::session::OpenSession;

/// The request, as if somebody had made it; whoever opens it checks it.
pub(crate) fn request(
    step: &Step,
    session: &Session,
    context: &Context,
) -> Result<OpenSession, String> {
    let topic = match &session.topic {
        None => step.id.clone(),
        Some(topic) => plain(filled("topic", topic, context)?),
    };
    let options = match &session.options {
        None => vec![],
        Some(options) => match filled("options", options, context)? {
            Value::Array(items) => items.into_iter().map(plain).collect(),
            _ => return Err(format!("{}: \"options\" is not a list", options.place)),
        },
    };
    let about = match &session.context {
        None => Json::null(),
        Some(about) => {
            let value = filled("context", about, context)?;
            Json::of(&value).map_err(|why| format!("{}: {why}", about.place))?
        }
    };
    let count = session.answers.map(|count| count.to_string());
    Ok(OpenSession {
        topic,
        question: plain(filled("question", &session.question, context)?),
        options,
        context: about,
        required: session.required.iter().cloned().chain(count).collect(),
        method: session.method,
        expertise: session.expertise.clone(),
        initiator: session.initiator.clone(),
        include_initiator: session.include_initiator,
        rounds: session.rounds,
        deadline_ms: u64::try_from(session.deadline.as_millis()).unwrap_or(u64::MAX),
        quorum: session.quorum.into(),
        threshold: session.threshold.into(),
        budget: session.budget,
        tie: session.tie,
        weigh_confidence: session.confidence,
    })
}
