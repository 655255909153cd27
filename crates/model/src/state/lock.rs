//! Locks with a fencing token: who has one, and under which number. The number grows with every holder, for ever.

use super::Refusal;
use crate::time::Timestamp;
use std::time::Duration;

/// A lock, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The newest number; 0 before the first holder.
    pub token: u64,
    /// Who has it.
    pub held: Option<Hold>,
}

/// See [`Lock::held`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Who, by a name that nobody else uses at the same time.
    pub holder: String,
    /// Until then.
    pub until: Timestamp,
}

/// What is wanted of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// To have it. Whoever has it already keeps its token, and has it longer: so an answer that was lost can be had again.
    Acquire {
        /// Who asks.
        holder: String,
        /// How long.
        lease: Duration,
    },
    /// To have it longer.
    Renew {
        /// Its number.
        token: u64,
        /// How long from now on.
        lease: Duration,
    },
    /// To give it back.
    Release {
        /// Its number.
        token: u64,
    },
}

/// Decides: the lock as it is then.
///
/// # Errors
/// [`Refusal::Held`] and [`Refusal::NotHeld`].
pub fn lock(lock: &Lock, now: Timestamp, want: &Want) -> Result<Lock, Refusal> {
    let held = lock.held.as_ref().filter(|hold| hold.until > now);
    match (want, held) {
        (Want::Acquire { holder, .. }, Some(hold)) if hold.holder != *holder => {
            Err(Refusal::Held {
                holder: hold.holder.clone(),
                until: hold.until,
            })
        }
        (Want::Acquire { holder, lease }, held) => Ok(Lock {
            token: lock.token + u64::from(held.is_none()),
            held: Some(Hold {
                holder: holder.clone(),
                until: now.plus(*lease),
            }),
        }),
        (Want::Renew { token, lease }, Some(hold)) if *token == lock.token => Ok(Lock {
            token: *token,
            held: Some(Hold {
                holder: hold.holder.clone(),
                until: now.plus(*lease),
            }),
        }),
        // Given back already: an answer that was lost, or a lease that ended. Either way nobody came after.
        (Want::Release { token }, _) if *token == lock.token && *token > 0 => Ok(Lock {
            token: *token,
            held: None,
        }),
        (Want::Renew { .. } | Want::Release { .. }, _) => Err(Refusal::NotHeld),
    }
}

/// Whether a writer that had the lock under this number may still write: nobody had it after.
///
/// # Errors
/// [`Refusal::Fenced`].
pub fn fence(lock: &Lock, token: u64) -> Result<(), Refusal> {
    if token == lock.token && token > 0 {
        Ok(())
    } else {
        Err(Refusal::Fenced(lock.token))
    }
}
