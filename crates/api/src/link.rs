//! Frames of the link: the broker port over one WebSocket, version 1.
//!
//! Each frame is one text message with one JSON object, its kind in `op`; both ways at most
//! `warrener_model::limits::LINK_FRAME_BYTES`. The client counts its requests in `n`, and each gets
//! one [`Reply`] with that number; a subscription is known by the number of the request that made
//! it. Deliveries come by themselves, within the credit. Bodies are embedded as they are. Liveness
//! is WebSocket's own ping and pong.

mod parts;

pub use parts::{Answer, Code, Depth, Health, Letter, Problem, Receipt, Sent, Verdict};

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What the client asks for in `Sec-WebSocket-Protocol`, and the server must answer.
pub const SUBPROTOCOL: &str = "warrener.link.v1";
/// Where the link is.
pub const PATH: &str = "/api/v1/link";
/// The header of the upgrade that names the agent; absent for a client that is none.
pub const AGENT_HEADER: &str = "warrener-agent";
/// The header of the upgrade that names the boot of the agent.
pub const INSTANCE_HEADER: &str = "warrener-instance";
/// The header of the upgrade that names the role that the client wants to act in.
pub const ROLE_HEADER: &str = "warrener-role";

/// A frame that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Not JSON, or not the shape of its kind.
    #[error("malformed frame: {0}")]
    Malformed(#[from] serde_json::Error),
    /// No such kind in this version.
    #[error("unknown op \"{0}\"")]
    Unknown(String),
}

/// From client to server.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum ToServer {
    /// Publish all of these; the answer is [`Answer::Receipts`].
    Publish(Publish),
    /// Begin to deliver; the answer is [`Answer::Sub`].
    Subscribe(Subscribe),
    /// Decide of a delivery; no answer. Unknown numbers are ignored: the subscription has ended.
    Settle(Settle),
    /// End a subscription; no answer.
    Close(Close),
    /// Deliver no more of a subscription that others read, too; no answer. It is over once all of it is settled.
    Enough(Enough),
    /// How full is this address; the answer is [`Answer::Depth`].
    Depth(AskDepth),
    /// Can the broker be worked with; the answer is [`Answer::Health`].
    Health(AskHealth),
}

/// See [`ToServer::Publish`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Publish {
    /// The request.
    pub n: u64,
    /// What.
    pub batch: Vec<Sent>,
}

/// See [`ToServer::Subscribe`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscribe {
    /// The request, and from now on the subscription.
    pub n: u64,
    /// The address.
    pub from: String,
    /// How many unsettled deliveries to hold at most.
    pub credit: u32,
    /// Published when the subscription ends without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub will: Option<Sent>,
}

/// See [`ToServer::Settle`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settle {
    /// The subscription.
    pub sub: u64,
    /// The delivery.
    pub tag: u64,
    /// What is decided.
    pub verdict: Verdict,
}

/// See [`ToServer::Close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Close {
    /// The subscription.
    pub sub: u64,
    /// On purpose: no will.
    pub clean: bool,
}

/// See [`ToServer::Enough`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enough {
    /// The subscription.
    pub sub: u64,
}

/// See [`ToServer::Depth`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskDepth {
    /// The request.
    pub n: u64,
    /// The address.
    pub of: String,
}

/// See [`ToServer::Health`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskHealth {
    /// The request.
    pub n: u64,
}

/// From server to client.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum ToClient {
    /// The answer to a request.
    Reply(Reply),
    /// A message of a subscription.
    Deliver(Deliver),
    /// A subscription is over; none of its deliveries can be settled any more.
    Over(Over),
}

/// See [`ToClient::Reply`]. One of the two is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The request.
    pub n: u64,
    /// It was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<Answer>,
    /// It was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// See [`ToClient::Deliver`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deliver {
    /// The subscription.
    pub sub: u64,
    /// The delivery.
    pub tag: u64,
    /// It was delivered before.
    #[serde(default)]
    pub redelivered: bool,
    /// The message.
    pub message: Letter,
}

/// See [`ToClient::Over`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// The subscription.
    pub sub: u64,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
}

macro_rules! frames {
    ($($type:ident { $($op:literal => $variant:ident),* $(,)? })*) => {
        $(
            impl $type {
                /// Reads a frame; unknown fields are ignored.
                ///
                /// # Errors
                /// [`FrameError`] when it is none.
                pub fn read(text: &str) -> Result<Self, FrameError> {
                    let head: Head<'_> = serde_json::from_str(text)?;
                    match &*head.op {
                        $($op => Ok(Self::$variant(serde_json::from_str(text)?)),)*
                        other => Err(FrameError::Unknown(other.chars().take(60).collect())),
                    }
                }

                /// Writes a frame.
                pub fn write(&self) -> String {
                    serde_json::to_string(self).expect("frames have string keys only")
                }
            }
        )*
    };
}

frames! {
    ToServer {
        "publish" => Publish,
        "subscribe" => Subscribe,
        "settle" => Settle,
        "close" => Close,
        "enough" => Enough,
        "depth" => Depth,
        "health" => Health,
    }
    ToClient {
        "reply" => Reply,
        "deliver" => Deliver,
        "over" => Over,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_model::json::Json;

    const ID: &str = "01931b66-7d50-7c8a-b7a5-64d2f14f8c11";

    fn letter() -> Letter {
        Letter {
            id: ID.parse().unwrap(),
            kind: "bye".into(),
            store: None,
            trace: None,
            reason: None,
            body: Json::parse(r#"{"v":1,"n":1.50}"#.into()).unwrap(),
        }
    }

    #[test]
    fn frames_for_the_server_are_written_and_read_alike() {
        let sent = Sent {
            to: "inbox/presence".into(),
            expires_ms: Some(30_000),
            message: letter(),
        };
        let publish = ToServer::Publish(Publish {
            n: 1,
            batch: vec![sent.clone()],
        });
        assert_eq!(
            publish.write(),
            format!(
                r#"{{"op":"publish","n":1,"batch":[{{"to":"inbox/presence","expires_ms":30000,"message":{{"id":"{ID}","kind":"bye","body":{{"v":1,"n":1.50}}}}}}]}}"#
            )
        );
        let subscribe = ToServer::Subscribe(Subscribe {
            n: 2,
            from: "control/ann/00000001".into(),
            credit: 8,
            will: Some(sent),
        });
        let reject = ToServer::Settle(Settle {
            sub: 2,
            tag: 3,
            verdict: Verdict::Reject("why".into()),
        });
        assert_eq!(
            reject.write(),
            r#"{"op":"settle","sub":2,"tag":3,"verdict":{"reject":"why"}}"#
        );
        let close = ToServer::Close(Close {
            sub: 2,
            clean: true,
        });
        let enough = ToServer::Enough(Enough { sub: 2 });
        let depth = ToServer::Depth(AskDepth {
            n: 4,
            of: "offers/default".into(),
        });
        let health = ToServer::Health(AskHealth { n: 5 });
        for frame in [publish, subscribe, reject, close, enough, depth, health] {
            assert_eq!(ToServer::read(&frame.write()).unwrap(), frame);
        }
    }

    #[test]
    fn frames_for_the_client_are_written_and_read_alike() {
        let receipts = ToClient::Reply(Reply {
            n: 1,
            ok: Some(Answer::Receipts(vec![
                Receipt::Confirmed,
                Receipt::Unroutable,
            ])),
            problem: None,
        });
        assert_eq!(
            receipts.write(),
            r#"{"op":"reply","n":1,"ok":{"receipts":["confirmed","unroutable"]}}"#
        );
        let problem = ToClient::Reply(Reply {
            n: 2,
            ok: None,
            problem: Some(Problem {
                code: Code::Taken,
                what: "control/ann/00000001".into(),
                reason: "somebody reads it".into(),
            }),
        });
        let blocked = ToClient::Reply(Reply {
            n: 3,
            ok: Some(Answer::Health(Health::Blocked("disk".into()))),
            problem: None,
        });
        let deliver = ToClient::Deliver(Deliver {
            sub: 2,
            tag: 9,
            redelivered: true,
            message: letter(),
        });
        let over = ToClient::Over(Over { sub: 2 });
        for frame in [receipts, problem, blocked, deliver, over] {
            assert_eq!(ToClient::read(&frame.write()).unwrap(), frame);
        }
    }

    #[test]
    fn what_is_no_frame_says_so_and_what_is_new_is_ignored() {
        for bad in ["", "[]", "{}", r#"{"op":1}"#, r#"{"op":"publish"}"#] {
            let result = ToServer::read(bad);
            assert!(matches!(result, Err(FrameError::Malformed(_))), "{bad}");
        }
        let result = ToServer::read(r#"{"op":"dance"}"#);
        assert!(matches!(result, Err(FrameError::Unknown(op)) if op == "dance"));
        let new = r#"{"later":{"a":1},"sub":1,"clean":true,"op":"close"}"#;
        assert!(ToServer::read(new).is_ok());
        let code = r#"{"op":"reply","n":1,"problem":{"code":"from_the_future"}}"#;
        let Ok(ToClient::Reply(reply)) = ToClient::read(code) else {
            panic!("an unknown code is no reason to hang up");
        };
        assert_eq!(reply.problem.unwrap().code, Code::Other);
    }
}
