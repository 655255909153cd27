//! `warrener config …`.

pub(crate) mod schema;
pub(crate) mod show;
