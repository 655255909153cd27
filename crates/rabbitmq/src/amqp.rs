//! The AMQP client, behind names of our own: what is outside of this module knows neither its crate nor its types.
//!
//! Connections are disposable: nothing in here recovers, and whatever breaks says so. Every request has a deadline.

mod channel;
mod connection;
mod fault;
mod greeting;
mod properties;
mod target;

pub(crate) use channel::{Arg, Channel, Confirm, Consumer, Delivered, Kind, Publishing};
pub(crate) use connection::{Connection, Life};
pub(crate) use fault::Fault;
pub(crate) use greeting::{Greeting, greet};
pub(crate) use properties::{Envelope, Letter};
pub(crate) use target::{BODY_BYTES_MAX, Target};
