//! Who may ask: tokens, task tokens, `Host` and `Origin`.

use crate::support::{Server, TOKEN};
use serde_json::json;

#[test]
fn everything_but_health_needs_the_token() {
    let server = Server::start();
    let ask = |path: &str, token: Option<&str>| {
        let request = ureq::http::Request::builder().uri(format!("{}{path}", server.url));
        let request = match token {
            Some(token) => request.header("authorization", token),
            None => request,
        };
        crate::support::reply(
            crate::support::agent()
                .run(request.body(()).unwrap())
                .unwrap(),
        )
    };
    let closed = [
        "/api/v1/tasks",
        "/metrics",
        "/openapi.json",
        "/api/v1/stream",
        "/api/v1/link",
        "/nothing",
    ];
    for path in closed {
        for token in [
            None,
            Some("Bearer wrong"),
            Some("Bearer "),
            Some("Basic x"),
            Some(TOKEN),
        ] {
            let reply = ask(path, token);
            let problem = reply.problem(401, "unauthenticated");
            assert!(problem["hint"].as_str().unwrap().contains("WARRENER_TOKEN"));
            assert_eq!(reply.headers["www-authenticate"], "Bearer");
        }
    }
    for path in ["/livez", "/readyz", "/readyz?verbose"] {
        assert_eq!(ask(path, None).status, 200);
    }
    assert_eq!(
        ask("/api/v1/tasks", Some(&format!("bearer {TOKEN}"))).status,
        200
    );
    // Nobody without a token gets a body read.
    let request = server
        .request("POST", "/api/v1/tasks")
        .header("authorization", "Bearer wrong");
    server
        .send(request, b"nonsense")
        .problem(401, "unauthenticated");
}

#[test]
fn a_tasks_token_reads_its_own_task_while_it_runs_and_no_other() {
    let server = Server::start();
    server.worker("ann");
    let (id, other) = (server.running(), server.submit(json!({"kind": "a"})));
    let epoch = server.task(&id)["epoch"].as_u64().unwrap();
    let ask = |method: &str, path: &str, token: &str| {
        let request = server
            .request(method, path)
            .header("authorization", format!("Bearer {token}"));
        server.send(request, b"")
    };
    let token = server.tokens.mint(id.parse().unwrap(), epoch);
    let own = format!("/api/v1/tasks/{id}");
    assert_eq!(ask("GET", &own, &token).ok()["id"], id.as_str());
    for (method, path) in [
        ("POST", format!("{own}/cancel")),
        ("GET", format!("{own}/events")),
        ("GET", format!("{own}/logs")),
        ("GET", format!("/api/v1/tasks/{other}")),
        ("GET", "/api/v1/tasks".into()),
        ("POST", "/api/v1/tasks".into()),
        ("GET", "/metrics".into()),
        ("GET", "/api/v1/link".into()),
    ] {
        ask(method, &path, &token).problem(403, "not_allowed");
    }
    let stale = server.tokens.mint(id.parse().unwrap(), epoch + 1);
    ask("GET", &own, &stale).problem(401, "unauthenticated");
    let forged = warrener_engine::token::TaskTokens::default().mint(id.parse().unwrap(), epoch);
    ask("GET", &own, &forged).problem(401, "unauthenticated");
    server.post(&format!("{own}/cancel"), json!({})).ok();
    ask("GET", &own, &token).problem(401, "unauthenticated");
}

#[test]
fn a_foreign_host_or_origin_is_refused_even_with_the_token() {
    let server = Server::start();
    let port = server.url.rsplit(':').next().unwrap();
    let ask = |host: &str, origin: Option<&str>| {
        let request = server.request("GET", "/api/v1/books").header("host", host);
        let request = match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        server.send(request, b"")
    };
    assert_eq!(ask(&format!("localhost:{port}"), None).status, 200);
    let own = format!("http://localhost:{port}");
    assert_eq!(ask(&format!("localhost:{port}"), Some(&own)).status, 200);
    ask("evil.example", None).problem(403, "not_allowed");
    ask(
        &format!("evil.example:{port}"),
        Some(&format!("http://evil.example:{port}")),
    )
    .problem(403, "not_allowed");
    for origin in ["http://evil.example", "null", "http://localhost:1"] {
        ask(&format!("localhost:{port}"), Some(origin)).problem(403, "not_allowed");
    }
}

#[test]
fn hosts_can_be_named() {
    let server = Server::with(|options, _| {
        options.allowed_hosts = vec!["tasks.example".into()];
        options.behind_proxy = true;
    });
    let ask = |host: &str| server.send(server.request("GET", "/livez").header("host", host), b"");
    assert_eq!(ask("tasks.example").status, 200);
    ask("localhost").problem(403, "not_allowed");
}

#[test]
fn a_server_without_a_token_does_not_start() {
    let mut server = Server::with(|options, _| options.token.clear());
    let served = server.served.take().unwrap();
    let error = server.runtime.block_on(served).unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
