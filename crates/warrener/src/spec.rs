//! The OpenAPI document that is built in, for when no server is at hand.

/// The document of the server that this program would start.
pub(crate) fn openapi() -> Option<serde_json::Value> {
    serde_json::to_value(warrener_server::openapi()).ok()
}
