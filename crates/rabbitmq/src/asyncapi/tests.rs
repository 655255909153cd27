//! The document: what AsyncAPI says of it, and whether it says what the code does.

use super::table::{LINES, Line, Way};
use super::{CONTROL, document};
use crate::names::inbox_types;
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use warrener_backend::broker::Inbox;
use warrener_model::Timestamp;
use warrener_model::message::{
    self, AgentCopy, AlertCopy, Body, Heard, Named, StateCopy, Submit, SubmitAccepted,
    SubmitCancel, SubmitRefused, TYPES, TaskCopy, TaskEnded,
};
use warrener_model::name::Namespace;

fn made() -> Value {
    document(&Namespace::default())
}

/// Reads a body as the code does, and writes it as the code does.
pub(super) fn again<B: Body>(bytes: &[u8]) -> Option<Vec<u8>> {
    let body: B = message::decode(bytes).ok()?;
    Some(message::encode(&body))
}

/// The same of a body that may name its sender: whole or not at all.
pub(super) fn signed<B: Body>(bytes: &[u8]) -> Option<Vec<u8>> {
    again::<B>(bytes).filter(|_| message::named(bytes) != Named::Unreadable)
}

/// The same of a submission, as if it came in the morning of the examples.
pub(super) fn submission(bytes: &[u8]) -> Option<Vec<u8>> {
    let submission = Submit::read(bytes).ok()?;
    let now: Timestamp = "2026-11-22T09:00:00.000Z".parse().unwrap();
    let id = warrener_model::TaskId::new(now, [0; 10]);
    submission.check(id, now).ok()?;
    (message::named(bytes) != Named::Unreadable).then(|| serde_json::to_vec(&submission).unwrap())
}

/// What leaders say and hear, and what watchers see: no part of the work of an agent.
const OTHERS: [&str; 10] = [
    Submit::TYPE,
    SubmitCancel::TYPE,
    SubmitAccepted::TYPE,
    SubmitRefused::TYPE,
    TaskEnded::TYPE,
    Heard::TYPE,
    TaskCopy::TYPE,
    AgentCopy::TYPE,
    AlertCopy::TYPE,
    StateCopy::TYPE,
];

/// What the document says of the bodies of a message.
fn payload(document: &Value, key: &str) -> Validator {
    let root = json!({
        "allOf": [{ "$ref": format!("#/components/messages/{key}/payload") }],
        "components": document["components"],
    });
    let uuid = |text: &str| text.parse::<warrener_model::TaskId>().is_ok();
    jsonschema::options()
        .with_draft(Draft::Draft7)
        .should_validate_formats(true)
        .with_format("uuid", uuid)
        .build(&root)
        .unwrap()
}

#[test]
fn asyncapi_3_accepts_it() {
    let official = include_str!("../../tests/data/asyncapi-3.0.0.json");
    let official: Value = serde_json::from_str(official).unwrap();
    let official = jsonschema::draft7::new(&official).unwrap();
    let document = made();
    let errors = official.iter_errors(&document);
    let errors: Vec<String> = errors
        .map(|error| format!("{}: {error:.300}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    for wrong in [
        "/info/title",
        "/channels/hello/bindings/amqp/exchange",
        "/operations/sendHello/action",
    ] {
        let mut broken = document.clone();
        *broken.pointer_mut(wrong).unwrap() = json!(7);
        assert!(!official.is_valid(&broken), "{wrong}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_needed() {
    let document = made();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for name in document["components"]["schemas"]
        .as_object()
        .unwrap()
        .keys()
    {
        let reference = format!("#/components/schemas/{name}");
        assert!(found.contains(&reference), "{reference} is not needed");
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
        found.insert(reference.to_owned());
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| references(field, found)),
        _ => {}
    }
}

#[test]
fn every_address_says_what_its_words_in_braces_are() {
    for (name, channel) in made()["channels"].as_object().unwrap() {
        let address = channel["address"].as_str().unwrap();
        let braced = address.split(['{', '}']).skip(1).step_by(2);
        let known = channel["parameters"].as_object().unwrap();
        let known: BTreeSet<&str> = known.keys().map(String::as_str).collect();
        assert_eq!(braced.collect::<BTreeSet<_>>(), known, "{name}: {address}");
    }
}

#[test]
fn every_type_of_the_code_is_in_the_table_and_every_line_is_a_type() {
    let lines: BTreeSet<&str> = LINES.iter().map(|line| line.kind).collect();
    assert_eq!(lines, TYPES.iter().chain(&OTHERS).copied().collect());
    let keys: BTreeSet<&str> = LINES.iter().map(|line| line.key).collect();
    assert_eq!(keys.len(), LINES.len(), "two messages have one key");
    let names: BTreeSet<String> = LINES.iter().map(Line::operation).collect();
    assert_eq!(names.len(), LINES.len(), "two operations have one name");
    for line in LINES {
        for answer in line.answers {
            let told = |other: &&Line| other.key == *answer && other.way == Way::Told;
            assert!(
                LINES.iter().any(|other| told(&other)),
                "{} answers {}",
                answer,
                line.key
            );
        }
    }
}

#[test]
fn what_has_a_key_at_an_inbox_is_in_the_table() {
    for inbox in Inbox::ALL {
        let said = LINES.iter().filter(|line| line.way == Way::Says(inbox));
        let known: BTreeSet<&str> = said.map(|line| line.kind).collect();
        assert_eq!(known, inbox_types(inbox).iter().copied().collect());
    }
}

#[test]
fn every_message_has_an_example_that_the_code_reads_and_its_schema_describes() {
    let lines = super::table::EXAMPLES.lines().count();
    let read: usize = LINES.iter().map(|line| line.examples().count()).sum();
    assert_eq!(read, lines, "an example is no JSON, or of no message");
    let document = made();
    for line in LINES {
        let schema = payload(&document, line.key);
        assert!(line.examples().count() > 0, "{} has no example", line.key);
        for example in line.examples() {
            let errors: Vec<_> = schema.iter_errors(&example).collect();
            assert!(errors.is_empty(), "{}: {errors:#?}", line.key);
            let bytes = serde_json::to_vec(&example).unwrap();
            let written =
                (line.reads)(&bytes).unwrap_or_else(|| panic!("{} is not read", line.key));
            let written: Value = serde_json::from_slice(&written).unwrap();
            let errors: Vec<_> = schema.iter_errors(&written).collect();
            assert!(errors.is_empty(), "{} as written: {errors:#?}", line.key);
        }
    }
}

/// The schemas come from the types, but not from the code that reads them: so both judge what is no proper message.
#[test]
fn a_schema_accepts_what_the_code_reads_and_nothing_else() {
    let document = made();
    let (mut accepted, mut refused, mut differ) = (0, 0, Vec::new());
    for line in LINES {
        let schema = payload(&document, line.key);
        for example in line.examples() {
            let mut places = Vec::new();
            pointers(&example, String::new(), &mut places);
            for (place, wrong) in places.iter().flat_map(|place| wrongs(&example, place)) {
                let read = (line.reads)(&serde_json::to_vec(&wrong).unwrap()).is_some();
                let valid = schema.is_valid(&wrong);
                if valid != read {
                    differ.push(format!(
                        "{} changed at {place}: schema {valid}, code {read}",
                        line.key
                    ));
                }
                *(if read { &mut accepted } else { &mut refused }) += 1;
            }
        }
    }
    assert!(differ.is_empty(), "{differ:#?}");
    assert!(accepted > 100 && refused > 100, "{accepted}, {refused}");
}

fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, format!("{at}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                pointers(field, format!("{at}/{name}"), found);
            }
        }
        _ => {}
    }
    if !at.is_empty() {
        found.push(at);
    }
}

/// The body without what is at this place, and with other things there.
fn wrongs(example: &Value, place: &str) -> Vec<(String, Value)> {
    let others = [
        json!(null),
        json!(-1),
        json!("No!"),
        json!([[]]),
        json!({}),
        json!(true),
    ];
    let mut wrongs: Vec<Value> = others
        .into_iter()
        .map(|other| {
            let mut wrong = example.clone();
            *wrong.pointer_mut(place).unwrap() = other;
            wrong
        })
        .collect();
    let (parent, name) = place.rsplit_once('/').unwrap();
    let mut without = example.clone();
    if let Some(Value::Object(fields)) = without.pointer_mut(parent) {
        fields.remove(name);
        wrongs.push(without);
    }
    wrongs
        .into_iter()
        .map(|wrong| (place.to_owned(), wrong))
        .collect()
}

#[test]
fn the_pages_name_every_message() {
    let [agents, others] = [
        include_str!("../../../../docs/agents-amqp.md"),
        include_str!("../../../../docs/amqp.md"),
    ];
    for line in LINES {
        let work = TYPES.contains(&line.kind) && line.key == line.kind;
        let page = if work { agents } else { others };
        let cells = page.lines().filter(|cells| cells.starts_with("| `"));
        let named = format!("`{}`", line.kind);
        let first = |cells: &&str| {
            cells
                .split('|')
                .nth(1)
                .is_some_and(|cell| cell.contains(&named))
        };
        assert!(
            cells.filter(first).count() == 1,
            "{named} has no row of its own"
        );
    }
}

#[test]
fn names_are_those_of_the_namespace() {
    let document = document(&Namespace::new("lane").unwrap());
    let at = |pointer: &str| {
        document
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap()
            .to_owned()
    };
    assert_eq!(at("/channels/tasks/address"), "lane.tasks");
    assert_eq!(at("/channels/tasks.lane/address"), "lane.tasks.{lane}");
    assert_eq!(at("/channels/claim/address"), "claim.{agent_id}");
    assert_eq!(at("/channels/claim/bindings/amqp/exchange/name"), "lane.in");
    assert_eq!(at("/channels/claim/bindings/amqp/exchange/type"), "topic");
    let control = format!("/channels/{CONTROL}");
    assert_eq!(
        at(&format!("{control}/address")),
        "lane.control.{agent_id}.{instance}"
    );
    let queue = &document.pointer(&control).unwrap()["bindings"]["amqp"]["queue"];
    assert_eq!(queue["exclusive"], true);
    assert_eq!(queue["durable"], false);
}

#[test]
fn the_topology_is_whole() {
    let topology = &made()["x-warrener-topology"];
    let names = |list: &str| {
        let list = topology[list].as_array().unwrap().iter();
        list.map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let words = |text: &str| {
        text.split_whitespace()
            .map(|word| format!("agent.{word}"))
            .collect()
    };
    assert_eq!(
        names("exchanges"),
        words("in tasks dead status brainstorm state")
    );
    let queues = "results presence signals submit tasks tasks.{lane} tasks.dead owner control.{agent_id}.{instance}";
    assert_eq!(names("queues"), words(queues));
    let bound =
        json!({ "queue": "agent.tasks.{lane}", "exchange": "agent.tasks", "key": "{lane}" });
    assert!(topology["bindings"].as_array().unwrap().contains(&bound));
    let results = json!({
        "name": "agent.results", "durable": true, "exclusive": false, "autoDelete": false, "declaredBy": "server",
        "arguments": {
            "x-queue-type": "quorum", "x-delivery-limit": 20, "x-max-length": 1_000_000,
            "x-overflow": "reject-publish", "x-dead-letter-exchange": "agent.dead",
            "x-dead-letter-strategy": "at-least-once",
        },
    });
    assert!(topology["queues"].as_array().unwrap().contains(&results));
}
