//! Lists: filter, sort, limit, cursor, fields; history of a task; the books.

use crate::support::Server;
use serde_json::{Value, json};

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|task| task["id"].as_str().unwrap().to_owned())
        .collect()
}

/// All pages of a list, as lists of ids.
fn pages(server: &Server, path: &str) -> Vec<Vec<String>> {
    let mut pages = vec![];
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("{path}{cursor}")).ok();
        pages.push(ids(&page));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

fn twenty_five(server: &Server) -> Vec<String> {
    let priorities = ["low", "normal", "high"];
    let body = |n: usize| json!({"kind": "a", "priority": priorities[n % 3], "labels": {"n": n.to_string()}, "input": n});
    (0..25).map(|n| server.submit(body(n))).collect()
}

#[test]
fn pages_of_10_of_25_tasks_show_each_once_in_order() {
    let server = Server::start();
    let all = twenty_five(&server);
    let forward = pages(&server, "/api/v1/tasks?limit=10&sort=created_at");
    assert_eq!(
        forward.iter().map(Vec::len).collect::<Vec<_>>(),
        [10, 10, 5]
    );
    assert_eq!(forward.concat(), all);
    let back: Vec<String> = all.iter().rev().cloned().collect();
    assert_eq!(pages(&server, "/api/v1/tasks?limit=10").concat(), back);
    assert_eq!(
        pages(&server, "/api/v1/tasks?limit=10&sort=-created_at").concat(),
        back
    );
    let by_priority = pages(&server, "/api/v1/tasks?limit=10&sort=-priority").concat();
    let rank = |id: &String| server.task(id)["priority"].as_str().unwrap().to_owned();
    let ranks: Vec<String> = by_priority.iter().map(rank).collect();
    assert_eq!(
        (&*ranks[0], &*ranks[7], &*ranks[8], &*ranks[24]),
        ("high", "high", "normal", "low")
    );
    let mut seen = by_priority;
    seen.sort();
    let mut sorted = all;
    sorted.sort();
    assert_eq!(seen, sorted);
}

#[test]
fn what_is_accepted_while_pages_are_read_moves_none_of_them() {
    let server = Server::start();
    let all = twenty_five(&server);
    let first = server.get("/api/v1/tasks?limit=10").ok();
    server.submit(json!({"kind": "later"}));
    let cursor = first["next"].as_str().unwrap();
    let second = server
        .get(&format!("/api/v1/tasks?limit=10&cursor={cursor}"))
        .ok();
    let wanted: Vec<String> = all.iter().rev().skip(10).take(10).cloned().collect();
    assert_eq!(ids(&second), wanted);
}

#[test]
fn a_cursor_of_another_list_is_refused() {
    let server = Server::start();
    twenty_five(&server);
    let page = server.get("/api/v1/tasks?limit=10&filter=kind:a").ok();
    let cursor = page["next"].as_str().unwrap();
    server
        .get(&format!(
            "/api/v1/tasks?limit=5&filter=kind:a&cursor={cursor}"
        ))
        .ok();
    for other in [
        "",
        "&filter=kind:b",
        "&filter=kind:a&sort=created_at",
        "&filter=kind:a&sort=priority",
    ] {
        let reply = server.get(&format!("/api/v1/tasks?limit=10{other}&cursor={cursor}"));
        reply.problem(400, "cursor_invalid");
    }
    for bad in ["x", "00", &cursor[..20], &format!("{cursor}00"), "%FF%FE"] {
        let reply = server.get(&format!("/api/v1/tasks?filter=kind:a&cursor={bad}"));
        assert_eq!(reply.status, 400, "{bad}");
    }
    server
        .get(&format!("/api/v1/agents?cursor={cursor}"))
        .problem(400, "cursor_invalid");
}

#[test]
fn filters_choose_and_bad_ones_are_named() {
    let server = Server::start();
    let all = twenty_five(&server);
    let find = |filter: &str| {
        ids(&server
            .get(&format!("/api/v1/tasks?limit=1000&filter={filter}"))
            .ok())
    };
    assert_eq!(find("label.n:7"), [all[7].clone()]);
    assert_eq!(find(&format!("id:{}", all[3])), [all[3].clone()]);
    assert_eq!(find("priority:high").len(), 8);
    assert_eq!(find("state:ready%20-priority:high").len(), 17);
    assert_eq!(find("state:failed,dead%20age:%3E1h").len(), 0);
    for bad in [
        "nonsense",
        "colour:red",
        "state:sleeping",
        "age:1h",
        "lane:",
    ] {
        let problem = server
            .get(&format!("/api/v1/tasks?filter={bad}"))
            .problem(400, "filter_invalid");
        assert_eq!(problem["errors"][0]["pointer"], "filter");
    }
    let many = vec!["kind:a"; 201].join("%20");
    server
        .get(&format!("/api/v1/tasks?filter={many}"))
        .problem(400, "bad_request");
}

#[test]
fn bodies_come_only_when_they_are_named() {
    let server = Server::start();
    server.submit(json!({"kind": "a", "description": "D", "input": {"x": 1}}));
    let item = |fields: &str| {
        server.get(&format!("/api/v1/tasks?fields={fields}")).ok()["items"][0].clone()
    };
    let plain = item("");
    assert_eq!(plain["description"], "D");
    for field in ["input", "output"] {
        assert!(plain.get(field).is_none(), "{field}");
    }
    let one = item("id,input");
    assert_eq!(one["input"], json!({"x": 1}));
    assert!(one.get("output").is_none());
    let all = item("input,%20output,description");
    assert!(all["output"].is_null() && all.get("output").is_some());
    let problem = server
        .get("/api/v1/tasks?fields=outptu")
        .problem(400, "bad_request");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("did you mean \"output\"?")
    );
}

#[test]
fn limits_and_sorts_that_are_none_are_refused() {
    let server = Server::start();
    for (name, bad) in [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "ten"),
        ("limit", "-1"),
        ("sort", "colour"),
    ] {
        let problem = server
            .get(&format!("/api/v1/tasks?{name}={bad}"))
            .problem(400, "bad_request");
        assert_eq!(problem["errors"][0]["pointer"], name);
    }
    let problem = server
        .get("/api/v1/tasks?sort=-create_at")
        .problem(400, "bad_request");
    assert!(problem["detail"].as_str().unwrap().contains("created_at"));
}

#[test]
fn the_history_of_a_task_is_read_in_pages() {
    let server = Server::start();
    server.worker("ann");
    let id = server.submit(json!({"kind": "echo"}));
    server.ended(&id);
    let path = format!("/api/v1/tasks/{id}/events");
    let all = server.get(&path).ok();
    let kinds: Vec<&str> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        (kinds[0], kinds[kinds.len() - 1]),
        ("submitted", "succeeded")
    );
    assert!(all["next"].is_null());
    let mut rows = vec![];
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("{path}?limit=1{cursor}")).ok();
        rows.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(json!(rows), all["items"]);
    let other = server.submit(json!({"kind": "a"}));
    let reply = server.get(&format!("/api/v1/tasks/{other}/events?limit=1{cursor}"));
    reply.problem(400, "cursor_invalid");
}

#[test]
fn the_books_close() {
    let server = Server::start();
    server.worker("ann");
    for kind in ["echo", "echo", "fail", "bad"] {
        server.ended(&server.submit(json!({"kind": kind})));
    }
    server.submit(json!({"kind": "nobody"}));
    let books = server.get("/api/v1/books").ok();
    let states = &books["states"];
    assert_eq!(books["accepted"], 5);
    assert_eq!(
        (&states["succeeded"], &states["failed"], &states["dead"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!((&books["open"], &books["lost"]), (&json!(1), &json!(0)));
    assert_eq!(books["purged"], 0);
}

#[test]
fn lists_by_name_have_filters_of_their_fields() {
    let server = Server::start();
    server.worker("ann");
    server.worker("bob");
    server.post("/api/v1/lanes/attic/pause", json!({})).ok();
    let ids = |path: &str, field: &str| -> Vec<String> {
        let page = server.get(path).ok();
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|one| one[field].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids("/api/v1/agents?filter=id:ann,cleo", "id"), ["ann"]);
    assert_eq!(
        ids("/api/v1/agents?filter=-id:ann%20presence:up", "id"),
        ["bob"]
    );
    assert_eq!(
        ids("/api/v1/agents?filter=lanes:default", "id"),
        ["ann", "bob"]
    );
    assert_eq!(ids("/api/v1/lanes?filter=paused:true", "name"), ["attic"]);
    for (path, word) in [
        ("agents", "rol:worker"),
        ("lanes", "paused"),
        ("breakers", "state:"),
    ] {
        let problem = server
            .get(&format!("/api/v1/{path}?filter={word}"))
            .problem(400, "filter_invalid");
        assert!(
            problem["hint"].as_str().unwrap().contains("FIELD:VALUE"),
            "{problem}"
        );
    }
}
