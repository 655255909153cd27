//! Browsers: one-time codes, sessions in a cookie, requests of other sites, and the page.

use crate::support::{Reply, Server, TOKEN, agent, reply};
use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::Request;
use warrener_server::Logins;

/// Sends as a browser would: with these headers, and no token.
fn browse(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", server.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    reply(agent().run(request.body(body.to_owned()).unwrap()).unwrap())
}

fn code(server: &Server) -> String {
    let made = server.post("/api/v1/login/codes", json!({})).ok();
    assert_eq!(made["expires_in_ms"], 600_000);
    made["code"].as_str().unwrap().to_owned()
}

fn login(server: &Server, code: &str) -> Reply {
    let body = json!({ "code": code }).to_string();
    browse(
        server,
        "POST",
        "/api/v1/login",
        &[("origin", &server.url)],
        &body,
    )
}

/// The cookie as a browser sends it back.
fn cookie(reply: &Reply) -> String {
    let text = reply.headers["set-cookie"].to_str().unwrap();
    text.split(';').next().unwrap().to_owned()
}

/// A browser that is in: its cookie.
pub(crate) fn session(server: &Server) -> String {
    cookie(&login(server, &code(server)))
}

pub(crate) fn log_out(server: &Server, cookie: &str) -> Reply {
    let headers = [("cookie", cookie), ("origin", server.url.as_str())];
    browse(server, "POST", "/api/v1/logout", &headers, "")
}

#[test]
fn a_code_is_exchanged_once_for_a_session_that_no_script_and_no_other_site_can_use() {
    let server = Server::start();
    let code = code(&server);
    let first = login(&server, &code);
    assert_eq!(first.ok()["expires_in_ms"], 43_200_000);
    let set = first.headers["set-cookie"].to_str().unwrap();
    let port = server.url.rsplit(':').next().unwrap();
    let attributes: Vec<&str> = set.split("; ").skip(1).collect();
    assert!(set.starts_with(&format!("warrener_{port}=")), "{set}");
    assert_eq!(
        attributes,
        ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=43200"]
    );
    assert!(
        !first
            .text
            .contains(cookie(&first).split_once('=').unwrap().1)
    );
    let second = login(&server, &code);
    let problem = second.problem(401, "unauthenticated");
    assert!(problem["hint"].as_str().unwrap().contains("server login"));
    assert!(!second.headers.contains_key("set-cookie"));

    let cookie = cookie(&first);
    let shown = [("cookie", cookie.as_str())];
    for path in ["/api/v1/books", "/api/v1/tasks", "/openapi.json"] {
        assert_eq!(browse(&server, "GET", path, &shown, "").status, 200);
    }
    let wrong = format!("{cookie}x");
    for wrong in [wrong.as_str(), "warrener_1=x", "warrener=", ""] {
        let shown = [("cookie", wrong)];
        browse(&server, "GET", "/api/v1/books", &shown, "").problem(401, "unauthenticated");
    }
    // A code is no session, and no token.
    let bearer = format!("Bearer {}", self::code(&server));
    browse(
        &server,
        "GET",
        "/api/v1/books",
        &[("authorization", &bearer)],
        "",
    )
    .problem(401, "unauthenticated");
}

#[test]
fn only_the_servers_own_page_may_write_with_a_session() {
    let server = Server::start();
    let cookie = session(&server);
    let write = |origin: Option<&str>| {
        let mut headers = vec![("cookie", cookie.as_str())];
        headers.extend(origin.map(|origin| ("origin", origin)));
        browse(
            &server,
            "POST",
            "/api/v1/tasks",
            &headers,
            r#"{"kind":"a"}"#,
        )
    };
    write(None).problem(403, "not_allowed");
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        write(Some(origin)).problem(403, "not_allowed");
    }
    assert_eq!(server.get("/api/v1/books").ok()["accepted"], 0);
    assert_eq!(write(Some(&server.url)).status, 201);
    // What another site asks for is not even read.
    let foreign = [
        ("cookie", cookie.as_str()),
        ("origin", "http://127.0.0.1:1"),
    ];
    browse(&server, "GET", "/api/v1/books", &foreign, "").problem(403, "not_allowed");
    let foreign = [("origin", "https://evil.example")];
    let body = json!({ "code": code(&server) }).to_string();
    browse(&server, "POST", "/api/v1/login", &foreign, &body).problem(403, "not_allowed");
    // A wrong token is not made good by a good session.
    let both = [
        ("cookie", cookie.as_str()),
        ("authorization", "Bearer wrong"),
    ];
    browse(&server, "GET", "/api/v1/books", &both, "").problem(401, "unauthenticated");
}

#[test]
fn a_session_ends_by_logout_and_by_its_age() {
    let server = Server::start();
    let session = self::session(&server);
    let shown = [("cookie", session.as_str())];
    let out = log_out(&server, &session);
    assert_eq!(out.ok(), json!({ "ended": true }));
    let set = out.headers["set-cookie"].to_str().unwrap();
    assert!(set.contains("=; ") && set.contains("Max-Age=0"), "{set}");
    browse(&server, "GET", "/api/v1/books", &shown, "").problem(401, "unauthenticated");

    let brief = Duration::from_millis(1);
    let server = Server::with(|options, _| {
        options.logins = Logins::new(Duration::from_secs(600), brief);
    });
    let session = self::session(&server);
    std::thread::sleep(2 * brief);
    let shown = [("cookie", session.as_str())];
    browse(&server, "GET", "/api/v1/books", &shown, "").problem(401, "unauthenticated");

    let logins = Logins::new(brief, brief);
    let handle = logins.clone();
    let server = Server::with(move |options, _| options.logins = handle);
    let code = logins.code();
    std::thread::sleep(2 * brief);
    login(&server, &code).problem(401, "unauthenticated");
}

#[test]
fn streams_end_with_the_session_that_opened_them() {
    let server = Server::start();
    let (leaves, stays) = (session(&server), session(&server));
    let open = |cookie: &str, path: &str| {
        let request = server.request("GET", path).header("cookie", cookie);
        server.open(request).expect("the session goes on")
    };
    let log = format!(
        "/api/v1/tasks/{}/logs?follow=true",
        server.submit(json!({"kind": "a"}))
    );
    let streams = [open(&leaves, "/api/v1/stream"), open(&leaves, &log)];
    let mut others = [
        open(&stays, "/api/v1/stream"),
        server.listen("/api/v1/stream", None),
    ];
    assert_eq!(log_out(&server, &leaves).ok(), json!({ "ended": true }));
    for stream in streams {
        stream.ends();
    }
    let id = server.submit(json!({"kind": "a"}));
    for stream in &mut others {
        stream.find("task", |data| data["id"] == id.as_str());
    }
}

#[test]
fn streams_end_when_their_session_is_too_old() {
    let server = Server::with(|options, _| {
        let brief = Duration::from_millis(300);
        options.logins = Logins::new(Duration::from_secs(600), brief);
    });
    // On a busy machine a session may be over before it was used.
    let stream = loop {
        let request = server.request("GET", "/api/v1/stream");
        if let Some(stream) = server.open(request.header("cookie", session(&server))) {
            break stream;
        }
    };
    stream.ends();
    server.listen("/api/v1/stream", None);
}

#[test]
fn guesses_are_limited_and_codes_need_the_token() {
    let server = Server::start();
    browse(&server, "POST", "/api/v1/login/codes", &[], "").problem(401, "unauthenticated");
    browse(&server, "POST", "/api/v1/login", &[], "{}").problem(422, "invalid");
    browse(&server, "POST", "/api/v1/login", &[], "nonsense").problem(400, "bad_request");
    let many = " ".repeat(8 * 1024);
    browse(&server, "POST", "/api/v1/login", &[], &many).problem(413, "too_large");
    let code = code(&server);
    for _ in 0..10 {
        login(&server, TOKEN).problem(401, "unauthenticated");
    }
    let limited = login(&server, TOKEN);
    limited.problem(429, "rate_limited");
    assert_eq!(limited.headers["retry-after"], "5");
    // Whoever guesses keeps nobody out who has a good one.
    assert_eq!(login(&server, &code).status, 200);
}

#[test]
fn behind_a_proxy_the_cookie_is_for_tls_only() {
    let server = Server::with(|options, _| options.behind_proxy = true);
    let host = server.url.strip_prefix("http://").unwrap();
    let origin = format!("https://{host}");
    let body = json!({ "code": code(&server) }).to_string();
    let reply = browse(
        &server,
        "POST",
        "/api/v1/login",
        &[("origin", &origin)],
        &body,
    );
    let set = reply.headers["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("__Host-warrener_"), "{set}");
    assert!(set.ends_with("; Secure"), "{set}");
}

#[test]
fn the_page_is_public_and_lets_nothing_of_others_in() {
    let server = Server::start();
    for (path, kind, part) in [
        ("/", "text/html", "<title>Warrener</title>"),
        ("/page.css", "text/css", "light-dark"),
        ("/page.js", "text/javascript", "/api/v1/login"),
    ] {
        let file = browse(&server, "GET", path, &[], "");
        assert_eq!(file.status, 200, "{path}");
        assert!(
            file.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with(kind)
        );
        assert!(file.text.contains(part), "{path}");
        let policy = file.headers["content-security-policy"].to_str().unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(file.headers["x-content-type-options"], "nosniff");
        assert_eq!(file.headers["referrer-policy"], "no-referrer");
    }
    let page = browse(&server, "GET", "/", &[], "").text;
    // The policy forbids both, so a browser would not run them.
    for inline in ["style=", "<style", "<script>", " onclick=", " onload="] {
        assert!(!page.contains(inline), "{inline}");
    }
    browse(&server, "GET", "/", &[("host", "evil.example")], "").problem(403, "not_allowed");
    browse(&server, "POST", "/", &[], "").problem(405, "bad_request");
    let document: Value = server.get("/openapi.json").ok();
    assert!(document["paths"].get("/").is_none());
}
