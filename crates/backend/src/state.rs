//! Shared state as a store holds it: what can be changed of it, and asked.
//!
//! The decisions are those of [`warrener_model::state`], made within the transaction: so the order of a key's versions is
//! that of the commits, and no caller has to read before it writes.

use crate::error::Result;
use crate::query::{Query, Rows};
use crate::store::Store;
use warrener_model::Timestamp;
use warrener_model::event::Cursor;
use warrener_model::name::{Space, StateKey};
use warrener_model::state::lock::{Lock, Want};
use warrener_model::state::{Act, Version};

/// One row of a change to shared state. Refused by its rules, nothing happens of the change:
/// [`crate::Committed::Refused`].
#[derive(Clone, Debug)]
pub enum StateOp {
    /// Makes a version of a key, as [`warrener_model::state::write`] decides.
    Write(Box<Write>),
    /// Makes the tombstones of values that are over, of so many at most.
    Expire {
        /// The store's clock.
        now: Timestamp,
        /// At most so many.
        limit: usize,
    },
    /// Makes of a space what it was, by new versions.
    Restore {
        /// The space.
        space: Space,
        /// As it was then.
        then: Cursor,
        /// The store's clock.
        now: Timestamp,
        /// Who wants it.
        actor: String,
    },
    /// Changes a lock, as [`warrener_model::state::lock::lock`] decides.
    Lock {
        /// The space.
        space: Space,
        /// Its name among those of the space.
        name: StateKey,
        /// What is wanted.
        want: Want,
        /// The store's clock.
        now: Timestamp,
    },
    /// Forgets versions that were replaced before this, so many at most; never the newest of a key.
    Forget {
        /// Before this.
        before: Timestamp,
        /// At most so many.
        limit: usize,
    },
}

/// See [`StateOp::Write`].
#[derive(Clone, Debug)]
pub struct Write {
    /// The space.
    pub space: Space,
    /// The key.
    pub key: StateKey,
    /// What is wanted.
    pub act: Act,
    /// The version it must have, 0 for no value.
    pub expect: Option<u64>,
    /// The lock that guards it, and the number its writer had it under.
    pub fence: Option<(StateKey, u64)>,
    /// The store's clock.
    pub now: Timestamp,
    /// Who wants it.
    pub actor: String,
    /// The id of the request: the same once more changes nothing and has the answer of the first; another write under it
    /// is refused.
    pub request: Option<String>,
}

/// What a [`StateOp`] did.
#[derive(Clone, Debug, PartialEq)]
pub enum Stated {
    /// To `Write`: the version that it made.
    Written {
        /// Its number.
        version: u64,
        /// Its place.
        cursor: Cursor,
        /// When its value goes by itself.
        expires_at: Option<Timestamp>,
    },
    /// To `Expire`, `Restore` and `Forget`: so many.
    Many(usize),
    /// To `Lock`: as it is now.
    Lock(Lock),
}

/// A question about shared state.
#[derive(Clone, Debug)]
pub enum StateQuery {
    /// The newest version of a key; none for a key without a value.
    Get(Space, StateKey),
    /// The values of a space, by key.
    List {
        /// The space.
        space: Space,
        /// Only keys that begin so.
        prefix: String,
        /// Only those after this key.
        after: Option<StateKey>,
        /// As it was then; as it is now otherwise.
        then: Option<Cursor>,
        /// At most so many.
        limit: usize,
    },
    /// Versions of a key, newest first.
    History {
        /// The space.
        space: Space,
        /// The key.
        key: StateKey,
        /// Only those before this one.
        before: Option<Cursor>,
        /// At most so many.
        limit: usize,
    },
    /// Changes of a space after a cursor, in order.
    Changes {
        /// The space; all of them otherwise.
        space: Option<Space>,
        /// Only keys that begin so.
        prefix: String,
        /// After this.
        after: Cursor,
        /// At most so many.
        limit: usize,
    },
    /// A lock.
    Lock(Space, StateKey),
    /// When the next value is over.
    NextOver,
}

/// A page, and what it is of.
#[derive(Clone, Debug, PartialEq)]
pub struct StatePage {
    /// The versions.
    pub items: Vec<Version>,
    /// As the state was at this cursor: nothing up to it is missing, nothing after it is there.
    pub at: Cursor,
    /// Changes up to this one may be forgotten.
    pub forgotten: Cursor,
}

/// An answer to a [`StateQuery`].
#[derive(Clone, Debug)]
pub enum StateRows {
    /// To `Get`.
    One(Option<Box<Version>>),
    /// To `List`, `History` and `Changes`.
    Page(StatePage),
    /// To `Lock`.
    Lock(Lock),
    /// To `NextOver`.
    NextOver(Option<Timestamp>),
}

macro_rules! ask {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $out:ty = $query:expr => $variant:ident),* $(,)?) => {
        /// [`Store::query`] with the types of each question about shared state; all errors are those of `query`.
        impl dyn Store {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// See [`Store::query`].
                pub async fn $name(&self, $($arg: $ty),*) -> Result<$out> {
                    match self.query(Query::State($query)).await? {
                        Rows::State(StateRows::$variant(rows)) => Ok(rows),
                        other => unreachable!("a store answered {other:?} to {}", stringify!($name)),
                    }
                }
            )*
        }
    };
}

ask! {
    /// [`StateQuery::Get`].
    state_get(space: Space, key: StateKey) -> Option<Box<Version>> = StateQuery::Get(space, key) => One,
    /// [`StateQuery::List`], [`StateQuery::History`] and [`StateQuery::Changes`].
    state_page(query: StateQuery) -> StatePage = query => Page,
    /// [`StateQuery::Lock`].
    state_lock(space: Space, name: StateKey) -> Lock = StateQuery::Lock(space, name) => Lock,
    /// [`StateQuery::NextOver`].
    state_next_over() -> Option<Timestamp> = StateQuery::NextOver => NextOver,
}
