//! Bodies and headers as JSON Schema, out of the types that read and write them.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};
use warrener_model::Submission;
use warrener_model::agent::WhoFields;
use warrener_model::message::{Body, VERSION};

const NAMED: &str = "#/components/schemas/";

/// The schemas that bodies refer to by name.
#[derive(Default)]
pub(super) struct Schemas(Map<String, Value>);

impl Schemas {
    /// What a message of this type carries: one flat object, with the version that every body has.
    pub(super) fn body<B: Body + ToSchema>(&mut self) -> Value {
        let mut body = self.object::<B>();
        if let Some(required) = body["required"].as_array_mut() {
            required.insert(0, "v".into());
        } else {
            body["required"] = json!(["v"]);
        }
        body
    }

    /// The same of what a leader says, with whom it names as its sender, if it wants an answer.
    pub(super) fn asked<B: Body + ToSchema>(&mut self) -> Value {
        let body = self.body::<B>();
        self.signed(body)
    }

    /// A request for a task: the one body whose version may be left out, and whose unknown fields are mistakes.
    pub(super) fn submission(&mut self) -> Value {
        let mut body = self.object::<Submission>();
        if let Some(fields) = body["properties"].as_object_mut() {
            fields.remove("idempotency_key");
        }
        body["additionalProperties"] = false.into();
        let result = "Tell me how it ended: `task.ended`. Needs agent_id and instance.";
        body["properties"]["result"] = json!({ "type": "boolean", "description": result });
        self.signed(body)
    }

    fn object<T: ToSchema>(&mut self) -> Value {
        let mut found = Vec::new();
        T::schemas(&mut found);
        for (name, schema) in found {
            self.0.insert(name, plain(schema));
        }
        let mut body = self.flat(plain(T::schema()));
        body["properties"]["v"] = json!({ "type": "integer", "const": VERSION });
        body
    }

    /// Both parts of a sender's name, or none.
    fn signed(&mut self, mut body: Value) -> Value {
        let mut sender = self.object::<WhoFields>();
        let halves = ["agent_id", "instance"];
        for half in halves {
            body["properties"][half] = sender["properties"][half].take();
        }
        let [agent, instance] = halves;
        body["dependencies"] = json!({ agent: [instance], instance: [agent] });
        body
    }

    /// Fields that a type takes over from another one stand in a part of their own: all into one object.
    fn flat(&self, mut schema: Value) -> Value {
        let Some(Value::Array(parts)) = schema.as_object_mut().and_then(|s| s.remove("allOf"))
        else {
            return schema;
        };
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for mut part in parts {
            if let Some(name) = name_in(&part) {
                part = self.0.get(name).cloned().unwrap_or_default();
            }
            if let Some(Value::Object(own)) = part.get_mut("properties").map(Value::take) {
                properties.extend(own);
            }
            if let Some(Value::Array(own)) = part.get_mut("required").map(Value::take) {
                required.extend(own);
            }
        }
        schema["type"] = "object".into();
        schema["properties"] = properties.into();
        schema["required"] = required.into();
        schema
    }

    /// Those that the bodies, or what they refer to, still refer to.
    pub(super) fn needed<'a>(self, bodies: impl Iterator<Item = &'a Value>) -> Map<String, Value> {
        let mut needed = BTreeSet::new();
        bodies.for_each(|body| self.reach(body, &mut needed));
        self.0
            .into_iter()
            .filter(|(name, _)| needed.contains(name))
            .collect()
    }

    fn reach(&self, value: &Value, needed: &mut BTreeSet<String>) {
        if let Some(name) = name_in(value)
            && needed.insert(name.to_owned())
            && let Some(schema) = self.0.get(name)
        {
            self.reach(schema, needed);
        }
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.reach(item, needed)),
            Value::Object(fields) => fields.values().for_each(|field| self.reach(field, needed)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn name_in(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(NAMED)
}

fn plain(schema: RefOr<Schema>) -> Value {
    serde_json::to_value(schema).expect("schemas have string keys only")
}

/// What comes in the headers of a message.
pub(super) fn headers() -> Value {
    json!({
        "type": "object",
        "properties": {
            "warrener-store": {
                "type": "string",
                "format": "uuid",
                "description": "The store of the servers. An agent copies it from the welcome into what it says afterwards: another store's servers refuse it.",
            },
            "traceparent": {
                "type": "string",
                "description": "W3C trace context.",
            },
        },
    })
}
