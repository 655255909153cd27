//! Hello: an agent is welcome, or hears why not. Also one whose hello cannot be read is answered, as far as it says who
//! it is: silence would leave it asking for ever.

use super::{abandon, gone};
use crate::control::millis;
use crate::core::Core;
use crate::error::Result;
use crate::refused;
use serde_json::Value;
use std::sync::Arc;
use warrener_backend::{Address, Error as BackendError, Message};
use warrener_model::agent::{Operation, Presence, Role, Who};
use warrener_model::message::{self, BodyError, Hello, Named, named};
use warrener_model::{Lane, Timestamp, limits};

/// Why an agent is not welcome.
struct No {
    /// `unknown_lane role_not_allowed version_unsupported name_taken malformed`.
    code: &'static str,
    /// In words, with what to do.
    message: String,
}

async fn not_welcome(core: &Core, who: &Who, no: No, now: Timestamp) {
    let No { code, message } = no;
    tracing::warn!(agent = %who.agent, code, "agent not welcome: {message}");
    let code = code.into();
    let letter = core.letter(who, &message::Unwelcome { code, message }, now);
    core.send(vec![letter]).await;
}

/// Answers a hello that cannot be read, if it says who sent it, and it is who sent it.
pub(super) async fn answer_unreadable(
    core: &Core,
    message: &Message,
    error: &BodyError,
) -> Result<()> {
    let Named::Somebody(who) = named(&message.body) else {
        return Ok(());
    };
    if refused::sent_by(message, &who).is_ok() {
        let now = core.now().await?;
        not_welcome(core, &who, unreadable(&message.body, error), now).await;
    }
    Ok(())
}

/// What of a hello cannot be read.
fn unreadable(body: &[u8], error: &BodyError) -> No {
    let no = |code, message| No { code, message };
    if matches!(error, BodyError::Version { .. }) {
        return no("version_unsupported", error.to_string());
    }
    let hello: Value = serde_json::from_slice(body).unwrap_or_default();
    let role = hello["role"].as_str().map(str::parse::<Role>);
    if let Some(Err(error)) = role {
        return no("role_not_allowed", error.to_string());
    }
    let lanes = hello["lanes"].as_array().into_iter().flatten();
    let mut names = lanes.filter_map(Value::as_str);
    match names.find_map(|name| Lane::new(name).err()) {
        Some(error) => no("unknown_lane", error.to_string()),
        None => no("malformed", error.to_string()),
    }
}

/// An agent joins, or comes back.
pub(super) async fn joins(core: &Arc<Core>, hello: Hello) -> Result<()> {
    let who = hello.who();
    let now = core.now().await?;
    if let Some(refusal) = objection(core, &hello).await? {
        core.refused("hello", refusal.code);
        not_welcome(core, &who, refusal, now).await;
        return Ok(());
    }
    let timers = &core.options.timers;
    let welcome = message::Welcome {
        who: hello.who.clone(),
        queues: queues(core, &hello).await?,
        heartbeat_ms: millis(timers.heartbeat),
        lease_ms: millis(timers.lease),
        handoff_ms: millis(timers.handoff),
        max_body_bytes: limits::OUTPUT_BYTES as u64,
        server_time: now,
    };
    let (name, lanes) = (hello.name.clone(), hello.lanes.len());
    let drains = core.joins(hello, now).await?.drain;
    tracing::info!(agent = %who.agent, instance = %who.instance, name, lanes, "agent joined");
    let mut letters = vec![core.letter(&who, &welcome, now)];
    if drains {
        let reason = "an operator asked this agent to drain".into();
        letters.push(core.letter(
            &who,
            &message::Drain {
                deadline: None,
                within_ms: None,
                reason,
                stay: true,
            },
            now,
        ));
    }
    core.send(letters).await;
    core.notices.spoke(&who);
    core.notices.ring(&who.agent);
    if let Err(error) = core.invite_again(Some(&who.agent), now).await {
        tracing::debug!(%error, "it is asked later");
    }
    // Runs of an earlier boot of this agent: their holder is gone, unless it shows itself within the grace.
    abandon(core, false, |held| {
        held.agent == who.agent && held.instance != who.instance
    })
    .await?;
    core.ready.notify_one();
    Ok(())
}

/// Why this agent cannot join.
async fn objection(core: &Arc<Core>, hello: &Hello) -> Result<Option<No>> {
    let no = |code: &'static str, message: String| Some(No { code, message });
    if hello.role.may(Operation::Execute) && hello.lanes.is_empty() {
        return Ok(no(
            "unknown_lane",
            "an agent that works needs a lane: --lane default".into(),
        ));
    }
    if hello.slots == 0 || hello.slots > limits::SLOTS {
        let message = format!("slots must be 1 to {}, not {}", limits::SLOTS, hello.slots);
        return Ok(no("role_not_allowed", message));
    }
    let who = hello.who();
    let Some(other) = core.registry.other_instance(&who) else {
        return Ok(None);
    };
    // Another boot is on record; whether it lives, its control address knows.
    match core.broker.depth(&Address::Control(other.clone())).await {
        Err(BackendError::NotFound(_)) => {
            gone(core, &other, Presence::Lost).await?;
            Ok(None)
        }
        _ => {
            let message = format!(
                "agent \"{}\" is connected already (instance {}); choose another --name, or stop it first",
                other.agent, other.instance
            );
            Ok(no("name_taken", message))
        }
    }
}

/// The queues an agent reads: none where the server hands out the work itself.
async fn queues(core: &Core, hello: &Hello) -> Result<Vec<message::Queue>> {
    if core.broker.capabilities().direct || !hello.role.may(Operation::Execute) {
        return Ok(vec![]);
    }
    let lanes: Vec<Address> = hello.lanes.iter().cloned().map(Address::Offers).collect();
    core.broker.ensure(&lanes).await?;
    let queue = |lane: &warrener_model::Lane| message::Queue {
        queue: match lane.as_str() {
            "default" => format!("{}.tasks", core.options.namespace),
            other => format!("{}.tasks.{other}", core.options.namespace),
        },
        lane: lane.clone(),
        prefetch: hello.slots,
        start: core.start(lane).as_str().into(),
    };
    Ok(hello.lanes.iter().map(queue).collect())
}

#[cfg(test)]
mod tests {
    use super::unreadable;
    use warrener_model::message::{Hello, decode};

    #[test]
    fn a_hello_that_cannot_be_read_is_told_what_of_it_cannot() {
        let hello = |v: u32, role: &str, lanes: &str, slots: &str| {
            format!(
                r#"{{"v":{v},"agent_id":"ann","instance":"00000001","role":"{role}","lanes":{lanes},"slots":{slots}}}"#
            )
        };
        for (body, code, word) in [
            (
                hello(2, "boss", "[]", "1"),
                "version_unsupported",
                "version 2",
            ),
            (hello(1, "boss", "[]", "1"), "role_not_allowed", "boss"),
            (hello(1, "worker", r#"["Big"]"#, "1"), "unknown_lane", "Big"),
            (
                hello(1, "worker", r#"["a","high"]"#, "1"),
                "unknown_lane",
                "reserved",
            ),
            (hello(1, "worker", r#"["a"]"#, "-1"), "malformed", "-1"),
        ] {
            let error = decode::<Hello>(body.as_bytes()).unwrap_err();
            let no = unreadable(body.as_bytes(), &error);
            assert_eq!(no.code, code, "{body}");
            assert!(no.message.contains(word), "{}", no.message);
        }
    }
}
