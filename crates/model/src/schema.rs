//! JSON Schemas of what is text on the wire, or anything; those of structs are derived where the structs are.

use crate::id::{ClaimId, InstanceId, MessageId, TaskId};
use crate::json::Json;
use crate::name::{AgentId, Capability, DOTTED, KEY, Kind, Lane, SHORT, Space, StateKey};
use crate::time::Timestamp;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

const INSTANCE: &str = "[a-z0-9-]{1,48}";

macro_rules! schemas {
    ($($type:ident: $schema:expr, $says:literal;)*) => {
        $(
            impl PartialSchema for $type {
                fn schema() -> RefOr<Schema> {
                    $schema.description(Some($says)).into()
                }
            }
            impl ToSchema for $type {}
        )*
    };
}

schemas! {
    AgentId: name(SHORT), "Who an agent is; the same over its restarts.";
    InstanceId: name(INSTANCE), "One boot of an agent; made anew when the program starts.";
    Lane: name(SHORT), "What users submit to and agents serve. Not: high low dead results signals submit owner presence control.";
    Kind: name(DOTTED), "What sort of work a task is.";
    Capability: name(DOTTED), "What an agent says it is good at.";
    Space: name(SHORT), "Keys of shared state that belong together.";
    StateKey: name(KEY), "What a value of shared state is found by.";
    TaskId: text("uuid"), "A task; the same over all its attempts.";
    ClaimId: text("uuid"), "One start of a handler; the agent makes it, and keeps it over repeats of that claim.";
    MessageId: text("uuid"), "The property `message_id` of a message.";
    Timestamp: text("date-time"), "RFC 3339, UTC, with milliseconds.";
    Json: ObjectBuilder::new().schema_type(SchemaType::AnyValue), "Any JSON.";
}

fn name(pattern: &str) -> ObjectBuilder {
    let whole = format!("^{pattern}$");
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(whole))
}

fn text(format: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::Custom(format.into())))
}
