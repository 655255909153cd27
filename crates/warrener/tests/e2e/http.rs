//! A plain HTTP client for the server under test, and a bare WebSocket: what any other program would use.

use crate::harness::until;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The longest that one wait of the server's is asked for.
const WAIT: &str = "20s";

/// A server and a token.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    pub(crate) agent: ureq::Agent,
    pub(crate) url: String,
    pub(crate) token: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) text: String,
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Is a problem with this status; gives it back.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        for field in ["code", "title", "detail", "type"] {
            let text = problem[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{field}: {problem}");
        }
        problem
    }
}

type Sent = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

impl Http {
    pub(crate) fn new(url: &str, token: &str, ca: &str) -> Self {
        let ca = Certificate::from_pem(ca.as_bytes()).ok();
        let ca: Vec<Certificate<'static>> = ca.into_iter().collect();
        let provider = rustls::crypto::ring::default_provider();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&ca))
            .unversioned_rustls_crypto_provider(provider.into());
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .tls_config(tls.build())
            .timeout_global(Some(Duration::from_secs(40)));
        Http {
            agent: config.build().into(),
            url: url.into(),
            token: token.into(),
        }
    }

    /// The same server, with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Http {
            token: token.into(),
            ..self.clone()
        }
    }

    fn read(sent: Sent) -> Result<Reply, String> {
        let mut response = sent.map_err(|e| e.to_string())?;
        let kind = response.headers().get("content-type");
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.to_owned();
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(64 << 20);
        let text = body.read_to_string().map_err(|e| e.to_string())?;
        Ok(Reply { status, kind, text })
    }

    pub(crate) fn try_get(&self, path: &str) -> Result<Reply, String> {
        let request = self.agent.get(format!("{}{path}", self.url));
        let token = format!("Bearer {}", self.token);
        Self::read(request.header("authorization", token).call())
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.try_get(path).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    pub(crate) fn try_send(&self, path: &str, kind: &str, body: &[u8]) -> Result<Reply, String> {
        let request = self.agent.post(format!("{}{path}", self.url));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        Self::read(request.header("content-type", kind).send(body))
    }

    /// Sets a key of shared state, if it is at that version; 0: if it has no value.
    pub(crate) fn try_set(
        &self,
        place: &str,
        version: u64,
        value: &Value,
    ) -> Result<Reply, String> {
        self.try_write(place, Some(value), Some(version), None)
    }

    /// Sets a key of shared state, or deletes it, under a condition (0: it has no value) and by a request id.
    pub(crate) fn try_write(
        &self,
        place: &str,
        value: Option<&Value>,
        version: Option<u64>,
        request: Option<&str>,
    ) -> Result<Reply, String> {
        let url = format!("{}/api/v1/state/{place}", self.url);
        let mut headers = vec![("authorization", format!("Bearer {}", self.token))];
        headers.extend(request.map(|id| ("idempotency-key", id.to_owned())));
        headers.extend(version.map(|version| match version {
            0 => ("if-none-match", "*".to_owned()),
            version => ("if-match", format!("\"{version}\"")),
        }));
        let headers = headers.into_iter();
        Self::read(match value {
            Some(value) => {
                let put = self.agent.put(url);
                let put = headers.fold(put, |put, (name, text)| put.header(name, text));
                put.send(value.to_string())
            }
            None => {
                let delete = self.agent.delete(url);
                headers
                    .fold(delete, |delete, (name, text)| delete.header(name, text))
                    .call()
            }
        })
    }

    #[track_caller]
    pub(crate) fn send(&self, path: &str, kind: &str, body: &[u8]) -> Reply {
        self.try_send(path, kind, body)
            .unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(path, "application/json", body.to_string().as_bytes())
    }

    /// Submits a task; its id.
    #[track_caller]
    pub(crate) fn submit(&self, request: &Value) -> String {
        let reply = self.post("/api/v1/tasks", request);
        assert_eq!(reply.status, 201, "{reply:?}");
        text(&reply.json(), "id")
    }

    /// Submits many tasks at once; their ids.
    #[track_caller]
    pub(crate) fn batch(&self, requests: &[Value]) -> Vec<String> {
        let reply = self.post("/api/v1/tasks/batch", &json!(requests));
        assert_eq!(reply.status, 201, "{reply:?}");
        let items = reply.json()["items"].as_array().cloned();
        items.unwrap().iter().map(|item| text(item, "id")).collect()
    }

    #[track_caller]
    pub(crate) fn task(&self, id: &str) -> Value {
        let reply = self.get(&format!("/api/v1/tasks/{id}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// Waits until a task is final.
    #[track_caller]
    pub(crate) fn end(&self, id: &str) -> Value {
        for _ in 0..3 {
            let task = self.get(&format!("/api/v1/tasks/{id}?wait={WAIT}")).json();
            if task["final"] == true {
                return task;
            }
        }
        panic!("not final: {} {:#?}", self.task(id), self.events(id));
    }

    /// Waits until a task is final, and must have ended so.
    #[track_caller]
    pub(crate) fn ends(&self, id: &str, state: &str) -> Value {
        let task = self.end(id);
        assert_eq!(task["state"], state, "{task} {:#?}", self.events(id));
        task
    }

    #[track_caller]
    pub(crate) fn until_state(&self, id: &str, state: &str) -> Value {
        until(state, || {
            let task = self.task(id);
            (task["state"] == state).then_some(task)
        })
    }

    #[track_caller]
    pub(crate) fn events(&self, id: &str) -> Vec<Value> {
        let page = self.get(&format!("/api/v1/tasks/{id}/events")).json();
        page["items"].as_array().expect("a list of events").clone()
    }

    /// A task's events without its offers, which only brokers with queues need.
    #[track_caller]
    pub(crate) fn lived(&self, id: &str) -> Vec<Value> {
        let mut events = self.events(id);
        events.retain(|event| event["kind"] != "offered" && event["kind"] != "unoffered");
        events
    }

    /// The kinds of these, in order.
    #[track_caller]
    pub(crate) fn history(&self, id: &str) -> Vec<String> {
        self.lived(id).iter().map(|e| text(e, "kind")).collect()
    }

    /// How often a run of a task was lost, to nobody or to another run at once.
    #[track_caller]
    pub(crate) fn losses(&self, id: &str) -> usize {
        self.times(id, "lost") + self.times(id, "superseded")
    }

    /// How often something happened to a task.
    #[track_caller]
    pub(crate) fn times(&self, id: &str, kind: &str) -> usize {
        self.events(id).iter().filter(|e| e["kind"] == kind).count()
    }

    /// The whole log of a task.
    #[track_caller]
    pub(crate) fn log(&self, id: &str) -> String {
        let mut log = String::new();
        let mut after = String::from("0");
        loop {
            let page = self
                .get(&format!("/api/v1/tasks/{id}/logs?after={after}"))
                .json();
            for piece in page["items"].as_array().expect("a list of pieces") {
                log += piece["text"].as_str().expect("a piece has text");
            }
            match page["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => return log,
            }
        }
    }

    #[track_caller]
    pub(crate) fn books(&self) -> Value {
        self.get("/api/v1/books").json()
    }

    /// Waits until nothing is open; nothing may be lost.
    #[track_caller]
    pub(crate) fn settled(&self) -> Value {
        let books = until("books that are settled", || {
            Some(self.books()).filter(|books| books["open"] == 0)
        });
        assert_eq!(books["lost"], 0, "{books}");
        books
    }

    #[track_caller]
    pub(crate) fn agent(&self, name: &str) -> Value {
        self.get(&format!("/api/v1/agents/{name}")).json()
    }

    #[track_caller]
    pub(crate) fn until_presence(&self, name: &str, presence: &str) -> Value {
        until(&format!("{name} {presence}"), || {
            let agent = self.agent(name);
            (agent["presence"] == presence).then_some(agent)
        })
    }

    /// A bare WebSocket on the link, as an agent of this name would open it.
    pub(crate) fn link(&self, agent: &str, instance: &str) -> Link {
        let address = self.url.strip_prefix("http://").expect("a plain address");
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let request = format!(
            "GET /api/v1/link HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: warrener.link.v1\r\nAuthorization: Bearer {}\r\n\
             warrener-agent: {agent}\r\nwarrener-instance: {instance}\r\nwarrener-role: worker\r\n\r\n",
            self.token
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Link { stream }
    }
}

/// See [`Http::link`].
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
}

impl Link {
    /// One frame: 1 is text, 2 binary. The other side may have hung up already.
    pub(crate) fn frame(&mut self, opcode: u8, bytes: &[u8]) {
        let mut head = vec![0x80 | opcode];
        match bytes.len() {
            short @ 0..126 => head.push(0x80 | u8::try_from(short).unwrap()),
            long => {
                head.push(0x80 | 127);
                head.extend(u64::try_from(long).unwrap().to_be_bytes());
            }
        }
        // A mask of zeros changes nothing.
        head.extend([0; 4]);
        let _ = self.stream.write_all(&[&head, bytes].concat());
    }

    pub(crate) fn say(&mut self, frame: &Value) {
        self.frame(1, frame.to_string().as_bytes());
    }

    /// The next frame of the link, or how the server ended it.
    pub(crate) fn hear(&mut self) -> Result<Value, String> {
        loop {
            let mut head = [0; 2];
            let read = self.stream.read_exact(&mut head);
            read.map_err(|e| format!("cut: {e}"))?;
            let mut wide = |bytes: usize| {
                let mut number = [0; 8];
                let read = self.stream.read_exact(&mut number[8 - bytes..]);
                read.map(|()| u64::from_be_bytes(number))
            };
            let length = match head[1] & 0x7f {
                126 => wide(2),
                127 => wide(8),
                short => Ok(u64::from(short)),
            };
            let length = length.map_err(|e| format!("cut: {e}"))?;
            let mut body = vec![0; usize::try_from(length).unwrap()];
            let read = self.stream.read_exact(&mut body);
            read.map_err(|e| format!("cut: {e}"))?;
            match head[0] & 0x0f {
                1 => return Ok(serde_json::from_slice(&body).expect("the server speaks JSON")),
                8 => return Err(farewell(&body)),
                _ => {}
            }
        }
    }

    /// The answer to request `n`; deliveries before it are skipped.
    #[track_caller]
    pub(crate) fn reply(&mut self, n: u64) -> Value {
        loop {
            let frame = self.hear().expect("the link goes on");
            if frame["op"] == "reply" && frame["n"] == n {
                return frame;
            }
        }
    }
}

fn farewell(body: &[u8]) -> String {
    match body.split_at_checked(2) {
        Some((code, words)) => format!(
            "{} {}",
            u16::from_be_bytes([code[0], code[1]]),
            String::from_utf8_lossy(words)
        ),
        None => "1005".into(),
    }
}

/// A field that is a text.
#[track_caller]
pub(crate) fn text(object: &Value, field: &str) -> String {
    let text = object[field].as_str();
    text.unwrap_or_else(|| panic!("no text \"{field}\" in {object}"))
        .to_owned()
}
