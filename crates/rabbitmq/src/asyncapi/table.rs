//! Every message there is, which way it goes, and when: one line each. A new message is a line here, and one or more of
//! `examples.txt`; tests miss it until then.

use super::payload::Schemas;
use serde_json::Value;
use utoipa::ToSchema;
use warrener_backend::broker::Inbox;
use warrener_model::message::{
    AgentCopy, AlertCopy, Body, Bye, Cancel, Claim, ClaimRefused, Drain, Granted, Heard, Heartbeat,
    Hello, Invite, Offer, Outcome, Recorded, Resume, Revoke, SessionAnswer, Signal, StateAsk,
    StateCopy, StateResult, Submit, SubmitAccepted, SubmitCancel, SubmitRefused, TaskCopy,
    TaskEnded, Unwelcome, Welcome,
};

/// Bodies, each after the key of its message.
pub(super) const EXAMPLES: &str = include_str!("examples.txt");

/// Which way a message goes, as the agent sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Said by the agent, found by servers in this inbox.
    Says(Inbox),
    /// Told to the agent on its control queue.
    Told,
    /// Put before the agents of a lane.
    Offered,
    /// Told to whoever watches, under this key of a topic.
    Seen(&'static str),
}

/// See the module.
pub(super) struct Line {
    /// The message's name in the document. Two messages of one type go different ways, and need different names.
    pub(super) key: &'static str,
    /// Its type on the wire.
    pub(super) kind: &'static str,
    pub(super) way: Way,
    /// When it is sent, and what it asks for.
    pub(super) when: &'static str,
    /// The keys of what may come back.
    pub(super) answers: &'static [&'static str],
    pub(super) body: fn(&mut Schemas) -> Value,
    /// Whether the code can read these bytes as this message.
    #[cfg(test)]
    pub(super) reads: fn(&[u8]) -> Option<Vec<u8>>,
}

const fn line<B: Body + ToSchema>(way: Way, when: &'static str) -> Line {
    Line {
        key: B::TYPE,
        kind: B::TYPE,
        way,
        when,
        answers: &[],
        body: Schemas::body::<B>,
        #[cfg(test)]
        reads: super::tests::again::<B>,
    }
}

const fn asks<B: Body + ToSchema>(
    way: Way,
    answers: &'static [&'static str],
    when: &'static str,
) -> Line {
    Line {
        answers,
        ..line::<B>(way, when)
    }
}

/// What a leader asks for; it need not say who it is.
const fn orders(line: Line, key: &'static str, body: fn(&mut Schemas) -> Value) -> Line {
    let answers = &["submit.accepted", "submit.refused"];
    Line {
        key,
        answers,
        body,
        ..line
    }
}

/// A submission: no body like others, for it is read as a request is.
const SUBMIT: Line = Line {
    key: Submit::TYPE,
    kind: Submit::TYPE,
    way: SUBMISSIONS,
    when: "A task, please: the body of `POST /api/v1/tasks`. The message_id is the idempotency key; the same message again until answered.",
    answers: &[],
    body: Schemas::submission,
    #[cfg(test)]
    reads: super::tests::submission,
};

const SUBMISSIONS: Way = Way::Says(Inbox::Submit);
const PRESENCE: Way = Way::Says(Inbox::Presence);
const RESULTS: Way = Way::Says(Inbox::Results);
const SIGNALS: Way = Way::Says(Inbox::Signals);

#[rustfmt::skip]
pub(super) const LINES: &[Line] = &[
    asks::<Hello>(PRESENCE, &["welcome", "unwelcome"],
        "First of all, every 5 s until answered, and again after each reconnect."),
    asks::<Heartbeat>(PRESENCE, &["revoke", "unwelcome"],
        "Every heartbeat_ms of the welcome; lists every run that is not recorded yet, which renews its lease."),
    line::<Bye>(PRESENCE, "Last of all, when nothing runs any more."),
    asks::<Claim>(RESULTS, &["claim.granted", "claim.refused"],
        "Before anything of a task is started, every 2 s until answered; with `started` for what runs already."),
    asks::<Outcome>(RESULTS, &["recorded", "revoke"],
        "When a run is over; again, with the same message_id, 10 s after each confirm until answered."),
    line::<SessionAnswer>(RESULTS, "The answer to an invitation, once a round; again when the invitation comes again."),
    asks::<StateAsk>(RESULTS, &["state.result"],
        "To read or write shared state; again, with the same request_id, until answered."),
    line::<Signal>(SIGNALS, "A piece of log, or progress; nothing depends on it."),
    line::<Offer>(Way::Offered, "A task that waits for an agent. Claim it; start nothing yet."),
    line::<Welcome>(Way::Told, "The answer to a hello: which queues to read, and the times to keep."),
    line::<Unwelcome>(Way::Told, "The other answer. With code `unknown`, to a heartbeat: say hello again."),
    line::<Granted>(Way::Told, "Start this run under exactly this attempt and epoch; for a run that goes already: claim it with `started`."),
    line::<ClaimRefused>(Way::Told, "Run nothing and report nothing; acknowledge the delivery."),
    line::<Revoke>(Way::Told, "Stop this run and say nothing of it: it is not yours any more."),
    line::<Recorded>(Way::Told, "These runs are in the books, or refused for good: forget them."),
    line::<StateResult>(Way::Told, "What came of a `state`."),
    line::<Cancel>(Way::Told, "Stop this run within the grace and report `cancelled`."),
    line::<Invite>(Way::Told, "Answer this round of a session before its deadline; said again every 5 s until the answer is in."),
    line::<Drain>(Way::Told, "Read no more work, finish, give back the rest at the deadline, say bye; with `stay`, wait for a resume instead."),
    line::<Resume>(Way::Told, "The end of a drain with `stay`: take work again."),
    orders(SUBMIT, "submit", Schemas::submission),
    Line {
        #[cfg(test)]
        reads: super::tests::signed::<SubmitCancel>,
        ..orders(line::<SubmitCancel>(SUBMISSIONS, "Cancel this task; the same message again until answered."),
            "cancel.task", Schemas::asked::<SubmitCancel>)
    },
    line::<SubmitAccepted>(Way::Told, "The task is in the store, or cancelled: by this message, or before it as `duplicate` says."),
    line::<SubmitRefused>(Way::Told, "No, with every mistake; the same message sent again is refused again."),
    line::<TaskEnded>(Way::Told, "A task that was submitted with `result` has ended; said again every 5 s until `heard` names it with this version."),
    line::<Heard>(SUBMISSIONS, "These ends need not be told again; with none of them: here I am, tell me what there is."),
    line::<TaskCopy>(Way::Seen("task.{event}"), "Something happened to a task. A hint: the truth, after any cursor, is `GET /api/v1/stream`."),
    line::<AgentCopy>(Way::Seen("agent.{event}"), "An agent joined, stalled, is lost or left."),
    line::<AlertCopy>(Way::Seen("alert"), "What a person should know."),
    Line {
        key: "invite.copy",
        ..line::<Invite>(Way::Seen("brainstorm.{session_id}"), "A round of a session began: what its members are asked. Who answered, and how it ended, is `GET /api/v1/sessions/{id}`.")
    },
    line::<StateCopy>(Way::Seen("state.{space}.{key}"), "A key of shared state has a new version. Its value is read with `state`; a watch without gaps is `GET /api/v1/state/{space}`."),
];

impl Line {
    /// The bodies that stand for it in the document.
    pub(super) fn examples(&self) -> impl Iterator<Item = Value> {
        let lines = EXAMPLES.lines().filter_map(|line| line.split_once(' '));
        let own = lines.filter(|(key, _)| *key == self.key);
        own.filter_map(|(_, body)| serde_json::from_str(body).ok())
    }

    /// What the operation is called: `sendHello`, `receiveClaimGranted`.
    pub(super) fn operation(&self) -> String {
        let verb = match self.way {
            Way::Says(_) => "send",
            Way::Told | Way::Offered | Way::Seen(_) => "receive",
        };
        let words = self.key.split('.').map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_uppercase() + rest
        });
        words.fold(verb.to_owned(), |name, word| name + &word)
    }
}
