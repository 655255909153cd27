//! Refused messages: listed newest first, in pages, with their bodies only if asked.

use crate::support::Server;
use serde_json::json;
use warrener_backend::{Address, Inbox, Message, Outgoing};
use warrener_model::AgentId;
use warrener_model::id::MessageId;

/// Sends garbage to the servers, each piece with its number, one after the other.
fn refuse(server: &Server, count: u64) {
    for n in 1..=count {
        let message = Message {
            id: MessageId::from_bytes([u8::try_from(n).unwrap(); 16]),
            kind: "claim".into(),
            store: None,
            sender: AgentId::new("eve").ok(),
            trace: None,
            body: format!("garbage {n}\u{fffd}").into(),
            reason: None,
        };
        let out = Outgoing {
            to: Address::Inbox(Inbox::Results),
            message,
            expires: None,
        };
        let published = server.broker.publish(vec![out]);
        server.runtime.block_on(published).unwrap();
        server.until("/api/v1/refused?limit=1", |page| page["items"][0]["n"] == n);
    }
}

#[test]
fn refused_messages_are_listed_newest_first_in_pages() {
    let server = Server::start();
    refuse(&server, 3);
    let first = server.get("/api/v1/refused?limit=2").ok();
    let numbers = |page: &serde_json::Value| {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["n"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&first), [3, 2]);
    let item = &first["items"][0];
    for (field, value) in [
        ("inbox", json!("results")),
        ("class", json!("malformed")),
        ("sender", json!("eve")),
        ("type", json!("claim")),
        ("size", json!("garbage 3\u{fffd}".len())),
        ("message_id", json!("03030303-0303-0303-0303-030303030303")),
        ("body", json!(null)),
    ] {
        assert_eq!(item[field], value, "{field}");
    }
    let next = first["next"].as_str().unwrap();
    let rest = format!("/api/v1/refused?limit=2&fields=n,body&cursor={next}");
    let rest = server.get(&rest).ok();
    assert_eq!(numbers(&rest), [1]);
    assert_eq!(rest["items"][0]["body"], "garbage 1\u{fffd}");
    assert_eq!(rest["next"], json!(null));
    let wrong = "/api/v1/refused?fields=boddy";
    let problem = server.get(wrong).problem(400, "bad_request");
    assert!(problem["detail"].as_str().unwrap().contains("body"));
    server
        .get("/api/v1/refused?cursor=0011223344556677")
        .problem(400, "cursor_invalid");
}
