//! The OpenAPI document that is built in, for when no server is at hand.

/// The document; nothing in a build without the HTTP surface.
pub(crate) fn openapi() -> Option<serde_json::Value> {
    None
}
