//! What the other end of a link may do: asked on every operation, answered here only.
//!
//! An agent speaks to the servers in its own name, reads its own control address, the offers if its
//! role takes tasks, and topics. It makes no addresses, and its will is its own goodbye.

use warrener_backend::broker::{Address, Inbox, Outgoing, Subscribe};
use warrener_backend::error::{Error, Result};
use warrener_model::agent::{Role, Who};
use warrener_model::message::{Body, Bye, Signal, decode, sender};

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

impl Peer {
    fn refuse<T>(&self, what: impl std::fmt::Display) -> Result<T> {
        let who = match &self.who {
            Some(who) => format!("agent {}", who.agent),
            None => "a client that is no agent".into(),
        };
        let role = self.role.as_str();
        Err(Error::NotAllowed(format!("{who} as {role} {what}")))
    }

    /// Whether it may publish this.
    ///
    /// # Errors
    /// `NotAllowed`.
    pub fn may_publish(&self, out: &Outgoing) -> Result<()> {
        let Address::Inbox(inbox) = &out.to else {
            return self.refuse(format_args!("may not publish to {}", out.to));
        };
        if *inbox == Inbox::Submit {
            return match self.role.submits() {
                true => Ok(()),
                false => self.refuse("may not submit"),
            };
        }
        let Some(who) = &self.who else {
            return self.refuse(format_args!("may not publish to {}", out.to));
        };
        match sender(&out.message.body) {
            Some(agent) if agent == who.agent => Ok(()),
            Some(other) => self.refuse(format_args!("may not speak for {other}")),
            // A signal names its run, not its agent; that the run is this agent's is for the
            // server to see.
            None if *inbox == Inbox::Signals && *out.message.kind == *Signal::TYPE => Ok(()),
            None => self.refuse("must say who it is (agent_id)"),
        }
    }

    /// Whether it may read this, and leave that will.
    ///
    /// # Errors
    /// `NotAllowed`.
    pub fn may_subscribe(&self, ask: &Subscribe) -> Result<()> {
        self.may_read(&ask.from)?;
        ask.will
            .as_ref()
            .map_or(Ok(()), |will| self.may_leave(will))
    }

    /// Whether it may read here, or ask how full it is.
    ///
    /// # Errors
    /// `NotAllowed`.
    pub fn may_read(&self, from: &Address) -> Result<()> {
        let may = match from {
            Address::Offers(_) => self.who.is_some() && self.role.executes(),
            Address::Control(who) => self.who.as_ref() == Some(who),
            Address::Topic(_) => true,
            Address::Inbox(_) | Address::Dead => false,
        };
        match may {
            true => Ok(()),
            false => self.refuse(format_args!("may not read {from}")),
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
            false => self.refuse("may leave no will but its own bye"),
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
        let mine = r#"{"v":1,"agent_id":"ann"}"#;
        let other = r#"{"v":1,"agent_id":"ben"}"#;
        let nameless = r#"{"v":1}"#;
        let may = |to: Address, kind, body: &str| {
            peer(Role::Worker).may_publish(&out(to, kind, body)).is_ok()
        };
        for inbox in [Inbox::Results, Inbox::Presence, Inbox::Signals] {
            assert!(may(Address::Inbox(inbox), "x", mine), "{inbox:?}");
            assert!(!may(Address::Inbox(inbox), "x", other), "{inbox:?}");
            assert!(!may(Address::Inbox(inbox), "x", nameless), "{inbox:?}");
            let nobody = nobody(Role::Leader);
            let said = out(Address::Inbox(inbox), "signal", nameless);
            assert!(nobody.may_publish(&said).is_err(), "{inbox:?}");
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
    fn only_leaders_and_coordinators_submit() {
        let submit = out(Address::Inbox(Inbox::Submit), "submit", r#"{"v":1}"#);
        for role in [Role::Leader, Role::Coordinator] {
            assert!(peer(role).may_publish(&submit).is_ok());
            assert!(nobody(role).may_publish(&submit).is_ok());
        }
        for role in [Role::Worker, Role::Collaborator, Role::Monitor] {
            assert!(peer(role).may_publish(&submit).is_err());
            assert!(nobody(role).may_publish(&submit).is_err());
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
            peer(Role::Worker).may_subscribe(&ask).is_ok()
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
