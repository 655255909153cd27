//! What agents ask of shared state over the broker: one commit for many, in the order they came, answers after it.

use crate::core::Core;
use crate::error::{Error, Result};
use crate::orchestrator::{StateWrite, prepared, state_refused};
use std::time::Duration;
use warrener_backend::Change;
use warrener_backend::state::{StateOp, Stated};
use warrener_backend::store::{Committed, Op};
use warrener_model::agent::{Operation, Who};
use warrener_model::message::{StateAsk, StateResult};
use warrener_model::name::{Space, StateKey};
use warrener_model::state::Refusal;
use warrener_model::{Mistake, Timestamp};

/// The longest id of a request.
const REQUEST_CHARS: usize = 100;

/// One request, and whose it is.
pub(crate) struct Asked {
    who: Who,
    request_id: String,
    wish: std::result::Result<Wish, Error>,
}

enum Wish {
    Get(Space, StateKey),
    Write(StateWrite),
}

impl Asked {
    /// Reads a request; what is wrong with it is its answer.
    pub(crate) fn of(core: &Core, ask: StateAsk) -> Self {
        let who: Who = ask.who.clone().into();
        let role = core.registry.role(&who.agent);
        let may_write = role.is_some_and(|role| role.may(Operation::WriteState));
        Asked {
            request_id: ask.request_id.clone(),
            wish: wish(ask, &who, may_write),
            who,
        }
    }
}

fn wish(ask: StateAsk, who: &Who, may_write: bool) -> Result<Wish> {
    let invalid = |place: &str, message: String| Error::Invalid(vec![Mistake::at(place, message)]);
    let space = Space::new(&ask.space).map_err(|e| invalid("/space", e.to_string()))?;
    let key = StateKey::new(&ask.key).map_err(|e| invalid("/key", e.to_string()))?;
    let value = match (&*ask.op, ask.value) {
        ("get", _) => return Ok(Wish::Get(space, key)),
        ("set", Some(value)) => Some(value),
        ("set", None) => return Err(invalid("/value", "is missing: what to set".into())),
        ("delete", None) => None,
        ("delete", Some(_)) => return Err(invalid("/value", "a delete has none".into())),
        (other, _) => {
            let message = format!("\"{other:.60}\" is none of get, set, delete");
            return Err(invalid("/op", message));
        }
    };
    if !may_write {
        return Err(Error::NotAllowed {
            what: format!(
                "agent {} may read shared state, and not change it",
                who.agent
            ),
            hint: "use an agent of another role, and let it say hello first".into(),
        });
    }
    if ask.request_id.chars().count() > REQUEST_CHARS {
        let message = format!("has more than {REQUEST_CHARS} characters");
        return Err(invalid("/request_id", message));
    }
    // The id is the agent's own: another one's of the same words is another request.
    let request = Some(ask.request_id).filter(|id| !id.is_empty());
    Ok(Wish::Write(StateWrite {
        space,
        key,
        value,
        ttl: ask.ttl_ms.map(Duration::from_millis),
        expect: ask.if_version,
        fence: None,
        request: request.map(|id| format!("{}/{id}", who.agent)),
    }))
}

/// Does what was asked, however long the store takes, and answers.
pub(crate) async fn answer(core: &Core, asked: &[Asked]) {
    if asked.is_empty() {
        return;
    }
    loop {
        match once(core, asked).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, "requests for shared state wait for the store");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn once(core: &Core, asked: &[Asked]) -> Result<()> {
    let now = core.now().await?;
    let ready: Vec<_> = asked.iter().map(|one| ready(one, now)).collect();
    let changes = ready.iter().filter_map(|one| match one {
        Ready::Write(op) => Some(Change::from(Op::State(op.clone()))),
        Ready::Read | Ready::No(_) => None,
    });
    let changes: Vec<Change> = changes.collect();
    let mut committed = match changes.is_empty() {
        true => vec![],
        false => core.store.commit(changes).await?,
    }
    .into_iter();
    core.over.notify_one();
    let mut letters = vec![];
    for (one, ready) in asked.iter().zip(ready) {
        let result = match ready {
            Ready::No(result) => result,
            Ready::Read => read_surely(core, one).await,
            Ready::Write(_) => written(one, committed.next()),
        };
        if let Some(code) = &result.code {
            core.refused("state", code);
        }
        letters.push(core.letter(&one.who, &result, now));
    }
    core.send(letters).await;
    Ok(())
}

/// What is to be done for one request.
enum Ready {
    Read,
    Write(StateOp),
    No(StateResult),
}

fn ready(one: &Asked, now: Timestamp) -> Ready {
    match &one.wish {
        Ok(Wish::Get(..)) => Ready::Read,
        Ok(Wish::Write(write)) => {
            let actor = format!("agent:{}", one.who.agent);
            match prepared(write.clone(), now, &actor) {
                Ok(op) => Ready::Write(op),
                Err(error) => Ready::No(no(one, &error)),
            }
        }
        Err(error) => Ready::No(no(one, error)),
    }
}

/// What was written beside it is written: only the read is tried again.
async fn read_surely(core: &Core, one: &Asked) -> StateResult {
    loop {
        match read(core, one).await {
            Ok(result) => return result,
            Err(error) => {
                tracing::warn!(%error, "a read of shared state waits for the store");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn read(core: &Core, one: &Asked) -> Result<StateResult> {
    let Ok(Wish::Get(space, key)) = &one.wish else {
        return Ok(result(one, false));
    };
    let found = core.store.state_get(space.clone(), key.clone()).await?;
    Ok(match found {
        Some(found) => StateResult {
            version: Some(found.version),
            value: found.value,
            ..result(one, true)
        },
        None => no(
            one,
            &state_refused(format!("{space}/{key}"), Refusal::Absent),
        ),
    })
}

fn written(one: &Asked, committed: Option<Committed>) -> StateResult {
    let subject = match &one.wish {
        Ok(Wish::Write(write)) => format!("{}/{}", write.space, write.key),
        _ => String::new(),
    };
    match committed {
        Some(Committed::Done { stated, .. }) => {
            let version = stated.iter().find_map(|done| match done {
                Stated::Written { version, .. } => Some(*version),
                Stated::Many(_) | Stated::Lock(_) => None,
            });
            StateResult {
                version,
                ..result(one, true)
            }
        }
        Some(Committed::Refused(why)) => no(one, &state_refused(subject, why)),
        other => unreachable!("a store answered {other:?} to a change of state"),
    }
}

fn result(one: &Asked, ok: bool) -> StateResult {
    StateResult {
        request_id: one.request_id.clone(),
        ok,
        version: None,
        value: None,
        code: None,
        message: None,
    }
}

fn no(one: &Asked, error: &Error) -> StateResult {
    let (code, version) = match error {
        Error::State {
            why: Refusal::Version(version),
            ..
        } => ("conflict", Some(*version)),
        other => (other.code(), None),
    };
    let message = match error {
        Error::Invalid(mistakes) => {
            let told = |m: &Mistake| format!("{}: {}", m.pointer, m.message);
            let told: Vec<String> = mistakes.iter().map(told).collect();
            told.join("; ")
        }
        other => other.to_string(),
    };
    StateResult {
        version,
        code: Some(code.into()),
        message: Some(message),
        ..result(one, false)
    }
}
