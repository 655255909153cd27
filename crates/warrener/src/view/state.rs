//! What shared state looks like.

use super::View;

/// Versions of keys of shared state.
pub(crate) const STATE: View = View {
    noun: "version",
    id: "key",
    fields: &[
        "space",
        "key",
        "version",
        "value",
        "deleted",
        "cause",
        "actor",
        "at",
        "expires_at",
        "cursor",
    ],
    columns: &[
        ("KEY", "key"),
        ("VERSION", "version"),
        ("CAUSE", "cause"),
        ("VALUE", "value"),
        ("AT", "at"),
        ("EXPIRES", "expires_at"),
    ],
};

/// A write to shared state.
pub(crate) const WRITTEN: View = View {
    noun: "version",
    id: "version",
    fields: &["version", "cursor", "expires_at"],
    columns: &[
        ("VERSION", "version"),
        ("CURSOR", "cursor"),
        ("EXPIRES", "expires_at"),
    ],
};

/// A lock of shared state.
pub(crate) const LOCK: View = View {
    noun: "lock",
    id: "token",
    fields: &["space", "key", "token", "holder", "until"],
    columns: &[
        ("SPACE", "space"),
        ("KEY", "key"),
        ("TOKEN", "token"),
        ("HOLDER", "holder"),
        ("UNTIL", "until"),
    ],
};

/// A moment of a space.
pub(crate) const SNAPSHOT: View = View {
    noun: "snapshot",
    id: "cursor",
    fields: &["space", "cursor"],
    columns: &[("SPACE", "space"), ("CURSOR", "cursor")],
};

/// What a restore did.
pub(crate) const RESTORED: View = View {
    noun: "restore",
    id: "changed",
    fields: &["changed"],
    columns: &[("CHANGED", "changed")],
};
