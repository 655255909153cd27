//! What the other end of a link may do: asked on every operation, answered here only.
//!
//! A link is bound to one boot of one agent in one role when it is made, and stays so to its end. An agent speaks to
//! the servers in its own name, reads its own control address, the offers if its role takes tasks, and topics. It
//! makes no addresses, and its will is its own goodbye.

use warrener_backend::broker::{Address, Inbox, Outgoing, Subscribe};
use warrener_backend::error::Error;
use warrener_model::agent::{Operation, Role, Who};
use warrener_model::message::{Body, Bye, Hello, Named, Signal, decode, named};

/// Who is at the other end, after its token was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The agent; a client that is none may still submit and watch.
    pub who: Option<Who>,
    /// What its token lets it do.
    pub role: Role,
    /// The name of its token, for logs; never the token.
    pub token: String,
}

/// Why an operation is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// What sort of thing it tried: `address`, `sender`, `role` or `will`. Counted.
    pub class: &'static str,
    /// In words, for the other end.
    pub reason: String,
}

impl From<Objection> for Error {
    fn from(objection: Objection) -> Error {
        Error::NotAllowed(objection.reason)
    }
}

/// Counts what the peers of links were refused.
pub trait Tally: std::fmt::Debug + Send + Sync {
    /// One more of this class (see [`Objection::class`]).
    fn refused(&self, class: &'static str);
}

type Result<T> = std::result::Result<T, Objection>;

impl Peer {
    fn refuse<T>(&self, class: &'static str, what: impl std::fmt::Display) -> Result<T> {
        let who = match &self.who {
            Some(who) => format!("agent {}", who.agent),
            None => "a client that is no agent".into(),
        };
        let role = self.role.as_str();
        let reason = format!("{who} as {role} {what}");
        Err(Objection { class, reason })
    }

    /// What it publishes, signed with who it is.
    ///
    /// # Errors
    /// An [`Objection`] when it may not.
    pub fn sign(&self, out: Outgoing) -> Result<Outgoing> {
        self.may_publish(&out)?;
        Ok(self.signed(out))
    }

    fn signed(&self, mut out: Outgoing) -> Outgoing {
        out.message.sender = self.who.as_ref().map(|who| who.agent.clone());
        out
    }

    fn may_publish(&self, out: &Outgoing) -> Result<()> {
        let Address::Inbox(inbox) = &out.to else {
            return self.refuse("address", format_args!("may not publish to {}", out.to));
        };
        if *inbox == Inbox::Submit && !self.role.may(Operation::Submit) {
            return self.refuse("role", "may not submit");
        }
        if self.who.is_none() && *inbox != Inbox::Submit {
            return self.refuse("address", format_args!("may not publish to {}", out.to));
        }
        let body = &out.message.body;
        match named(body) {
            Named::Somebody(who) if Some(&who) == self.who.as_ref() => {}
            Named::Somebody(who) => {
                let Who { agent, instance } = who;
                let what =
                    format_args!("may not speak for {agent} (instance {instance})").to_string();
                return self.refuse("sender", what);
            }
            // These name a run, or nothing; the signature says who sent them.
            Named::Nobody if *inbox == Inbox::Submit => {}
            Named::Nobody if *inbox == Inbox::Signals && *out.message.kind == *Signal::TYPE => {}
            Named::Nobody | Named::Unreadable => {
                return self.refuse("sender", "must say who it is (agent_id, instance)");
            }
        }
        if *out.message.kind == *Hello::TYPE
            && let Ok(hello) = decode::<Hello>(body)
            && hello.role != self.role
        {
            let role = hello.role.as_str();
            return self.refuse("role", format_args!("may not say hello as {role}"));
        }
        Ok(())
    }

    /// What it subscribes to, with its will signed.
    ///
    /// # Errors
    /// An [`Objection`] when it may not read this, or leave that will.
    pub fn subscribe(&self, ask: Subscribe) -> Result<Subscribe> {
        self.may_read(&ask.from)?;
        if let Some(will) = &ask.will {
            self.may_leave(will)?;
        }
        let will = ask.will.map(|will| self.signed(will));
        Ok(Subscribe { will, ..ask })
    }

    /// Whether it may read here, or ask how full it is.
    ///
    /// # Errors
    /// An [`Objection`] when it may not.
    pub fn may_read(&self, from: &Address) -> Result<()> {
        let may = match from {
            Address::Offers(_) => self.who.is_some() && self.role.may(Operation::Execute),
            Address::Control(who) => self.who.as_ref() == Some(who),
            Address::Topic(_) => true,
            Address::Inbox(_) | Address::Dead => false,
        };
        match may {
            true => Ok(()),
            false => self.refuse("address", format_args!("may not read {from}")),
        }
    }

    fn may_leave(&self, will: &Outgoing) -> Result<()> {
        let its_own = || {
            let bye: Bye = decode(&will.message.body).ok()?;
            (Some(Who::from(bye.who)) == self.who).then_some(())
        };
        let right_place = will.to == Address::Inbox(Inbox::Presence);
        let right_kind = *will.message.kind == *Bye::TYPE;
        match right_place && right_kind && its_own().is_some() {
            true => Ok(()),
            false => self.refuse("will", "may leave no will but its own bye"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_backend::broker::Message;
    use warrener_model::Timestamp;
    use warrener_model::id::{InstanceId, MessageId};
    use warrener_model::message::encode;
    use warrener_model::name::{AgentId, Lane};

    fn who(agent: &str, instance: u32) -> Who {
        Who {
            agent: AgentId::new(agent).unwrap(),
            instance: InstanceId::random(instance),
        }
    }

    fn peer(role: Role) -> Peer {
        Peer {
            who: Some(who("ann", 1)),
            role,
            token: "test".into(),
        }
    }

    fn nobody(role: Role) -> Peer {
        Peer {
            who: None,
            ..peer(role)
        }
    }

    fn out(to: Address, kind: &str, body: impl Into<Vec<u8>>) -> Outgoing {
        let message = Message {
            id: MessageId::new(Timestamp::from_millis(1), [0; 10]),
            kind: kind.into(),
            store: None,
            sender: None,
            trace: None,
            body: body.into().into(),
            reason: None,
        };
        Outgoing {
            to,
            message,
            expires: None,
        }
    }

    fn bye(who: &Who) -> Outgoing {
        let bye = Bye {
            who: who.clone().into(),
            reason: "gone".into(),
        };
        out(Address::Inbox(Inbox::Presence), "bye", encode(&bye))
    }

    #[test]
    fn an_agent_speaks_to_the_servers_in_its_own_name_only() {
        let mine = r#"{"v":1,"agent_id":"ann","instance":"00000001"}"#;
        let other = r#"{"v":1,"agent_id":"ben","instance":"00000001"}"#;
        let other_boot = r#"{"v":1,"agent_id":"ann","instance":"00000002"}"#;
        let half = r#"{"v":1,"agent_id":"ben"}"#;
        let nameless = r#"{"v":1}"#;
        let may =
            |to: Address, kind, body: &str| peer(Role::Worker).sign(out(to, kind, body)).is_ok();
        for inbox in [Inbox::Results, Inbox::Presence, Inbox::Signals] {
            assert!(may(Address::Inbox(inbox), "x", mine), "{inbox:?}");
            assert!(!may(Address::Inbox(inbox), "x", other), "{inbox:?}");
            assert!(!may(Address::Inbox(inbox), "x", other_boot), "{inbox:?}");
            assert!(!may(Address::Inbox(inbox), "signal", half), "{inbox:?}");
            assert!(!may(Address::Inbox(inbox), "x", nameless), "{inbox:?}");
            let nobody = nobody(Role::Leader);
            let said = out(Address::Inbox(inbox), "signal", nameless);
            assert!(nobody.sign(said).is_err(), "{inbox:?}");
        }
        assert!(may(Address::Inbox(Inbox::Signals), "signal", nameless));
        assert!(!may(Address::Inbox(Inbox::Signals), "signal", other));
        assert!(!may(Address::Inbox(Inbox::Results), "signal", nameless));
        for to in [
            Address::Offers(Lane::default()),
            Address::Control(who("ann", 1)),
            Address::Control(who("ben", 1)),
            Address::Dead,
            Address::Topic("task.done".into()),
        ] {
            assert!(!may(to.clone(), "x", mine), "{to}");
        }
    }

    #[test]
    fn what_passes_is_signed_with_the_agent_of_the_link_whatever_it_said_before() {
        let mut signal = out(Address::Inbox(Inbox::Signals), "signal", r#"{"v":1}"#);
        signal.message.sender = Some(AgentId::new("ben").unwrap());
        let signed = peer(Role::Worker).sign(signal).unwrap();
        assert_eq!(signed.message.sender, Some(AgentId::new("ann").unwrap()));
        let ask = Subscribe {
            from: Address::Control(who("ann", 1)),
            credit: 1,
            will: Some(bye(&who("ann", 1))),
        };
        let will = peer(Role::Worker).subscribe(ask).unwrap().will.unwrap();
        assert_eq!(will.message.sender, Some(AgentId::new("ann").unwrap()));
    }

    #[test]
    fn a_hello_says_the_role_of_its_link() {
        let hello = |role: &str| {
            let body = format!(
                r#"{{"v":1,"agent_id":"ann","instance":"00000001","role":"{role}","lanes":[],"slots":1}}"#
            );
            let hello = out(Address::Inbox(Inbox::Presence), "hello", body);
            peer(Role::Worker).sign(hello).map_err(|no| no.class)
        };
        assert!(hello("worker").is_ok());
        assert_eq!(hello("leader"), Err("role"));
    }

    #[test]
    fn only_leaders_submit_and_in_their_own_name() {
        let submit = |body: &str| out(Address::Inbox(Inbox::Submit), "submit", body);
        let plain = r#"{"v":1}"#;
        assert!(peer(Role::Leader).sign(submit(plain)).is_ok());
        assert!(nobody(Role::Leader).sign(submit(plain)).is_ok());
        for role in [
            Role::Coordinator,
            Role::Worker,
            Role::Collaborator,
            Role::Monitor,
        ] {
            assert!(peer(role).sign(submit(plain)).is_err());
            assert!(nobody(role).sign(submit(plain)).is_err());
        }
        let ben = r#"{"v":1,"agent_id":"ben","instance":"00000001"}"#;
        for peer in [peer(Role::Leader), nobody(Role::Leader)] {
            assert_eq!(peer.sign(submit(ben)).unwrap_err().class, "sender");
        }
    }

    #[test]
    fn an_agent_reads_its_own_control_offers_if_it_works_and_topics() {
        let may = |peer: &Peer, from: &Address| peer.may_read(from).is_ok();
        let worker = peer(Role::Worker);
        let offers = Address::Offers(Lane::default());
        assert!(may(&worker, &offers));
        assert!(!may(&peer(Role::Monitor), &offers));
        assert!(!may(&nobody(Role::Leader), &offers));
        assert!(may(&worker, &Address::Control(who("ann", 1))));
        assert!(!may(&worker, &Address::Control(who("ann", 2))));
        assert!(!may(&worker, &Address::Control(who("ben", 1))));
        assert!(!may(
            &nobody(Role::Leader),
            &Address::Control(who("ann", 1))
        ));
        let topic = Address::Topic("#".into());
        assert!(may(&peer(Role::Monitor), &topic));
        assert!(may(&nobody(Role::Monitor), &topic));
        for from in [
            Address::Inbox(Inbox::Results),
            Address::Inbox(Inbox::Presence),
            Address::Inbox(Inbox::Signals),
            Address::Inbox(Inbox::Submit),
            Address::Dead,
        ] {
            assert!(!may(&peer(Role::Leader), &from), "{from}");
        }
    }

    #[test]
    fn a_will_is_the_own_bye() {
        let may = |will: Outgoing| {
            let ask = Subscribe {
                from: Address::Control(who("ann", 1)),
                credit: 1,
                will: Some(will),
            };
            peer(Role::Worker).subscribe(ask).is_ok()
        };
        assert!(may(bye(&who("ann", 1))));
        assert!(!may(bye(&who("ann", 2))));
        assert!(!may(bye(&who("ben", 1))));
        let mut elsewhere = bye(&who("ann", 1));
        elsewhere.to = Address::Inbox(Inbox::Results);
        assert!(!may(elsewhere));
        let mut other_kind = bye(&who("ann", 1));
        other_kind.message.kind = "hello".into();
        assert!(!may(other_kind));
        let presence = Address::Inbox(Inbox::Presence);
        assert!(!may(out(presence, "bye", r#"{"v":1,"agent_id":"ann"}"#)));
    }
}
