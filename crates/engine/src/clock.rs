//! Where real time enters the engine's agents: only for ids and for the times that a report carries. Decisions use the
//! store's clock (servers) or the runtime's monotonic one.

use warrener_model::Timestamp;

/// The wall clock of this machine.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where real time enters"
)]
pub(crate) fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
    Timestamp::from_millis(millis)
}
