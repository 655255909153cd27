//! A server to ask, and a client to ask it with.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use ureq::http::{Request, Response};
use warrener_backend::memory::MemoryOptions;
use warrener_backend::{Broker, MemoryBroker, Store};
use warrener_engine::handler::WorkerBuilder;
use warrener_engine::supervise::Scope;
use warrener_engine::token::TaskTokens;
use warrener_engine::{Options, Orchestrator, TaskContext, TaskError, Timers, Worker};
use warrener_server::ServerOptions;
use warrener_sqlite::SqliteStore;

pub(crate) const TOKEN: &str = "the-operators-token";
/// Longer than anything takes; a test that needs it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server, and all that it stands on.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) runtime: Runtime,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) tokens: TaskTokens,
    pub(crate) stop: CancellationToken,
    pub(crate) served: Option<JoinHandle<std::io::Result<()>>>,
    engine: CancellationToken,
    _folder: tempfile::TempDir,
}

/// The one place that names a store.
fn store(folder: &std::path::Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(warrener_sqlite::Options::new(folder)).unwrap())
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) text: String,
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::with(|_, _| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut ServerOptions, &mut Options)) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut engine_options = Options {
            timers: Timers::short(),
            ..Options::default()
        };
        let mut options = ServerOptions {
            token: TOKEN.into(),
            keep_alive: Duration::from_millis(100),
            patience: Duration::from_secs(5),
            ..ServerOptions::default()
        };
        change(&mut options, &mut engine_options);
        let tokens = engine_options.tokens.clone();
        let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::new(MemoryOptions::default()));
        let (engine, stop) = (CancellationToken::new(), CancellationToken::new());
        let (store, orchestrator, url, served) = runtime.block_on(async {
            let store = store(folder.path());
            let mut scope = Scope::new(&engine);
            let orchestrator =
                Orchestrator::start(store.clone(), broker.clone(), engine_options, &mut scope);
            let orchestrator = orchestrator.await.unwrap();
            tokio::spawn(scope.run(Duration::from_secs(5)));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let handle = orchestrator.clone();
            let served = warrener_server::serve(listener, handle, options, stop.clone());
            (store, orchestrator, url, tokio::spawn(served))
        });
        Server {
            url,
            runtime,
            orchestrator,
            store,
            broker,
            tokens,
            stop,
            served: Some(served),
            engine,
            _folder: folder,
        }
    }

    /// A worker that knows some kinds: `echo` gives back its input, `wait` runs until it is stopped, `fail` fails,
    /// `bad` is invalid at once, `stop` is critical, `talk` logs three lines.
    pub(crate) fn worker(&self, name: &str) -> CancellationToken {
        self.worker_with(name, |builder| builder)
    }

    pub(crate) fn worker_with(
        &self,
        name: &str,
        change: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
    ) -> CancellationToken {
        let stop = self.engine.child_token();
        let builder = Worker::builder(self.broker.clone(), name)
            .options(|options| {
                options.timers = Timers::short();
                options.drain = Duration::from_millis(200);
            })
            .handle("echo", echo)
            .and_then(|builder| builder.handle("wait", wait))
            .and_then(|builder| builder.handle("fail", fail))
            .and_then(|builder| builder.handle("bad", bad))
            .and_then(|builder| builder.handle("stop", stop_all))
            .and_then(|builder| builder.handle("talk", talk));
        let worker = change(builder.unwrap()).build();
        let token = stop.clone();
        self.runtime.spawn(async move { worker.run(token).await });
        let path = format!("/api/v1/agents/{name}");
        self.until(&path, |agent| agent["presence"] == "up");
        stop
    }

    /// Sends a request as it is, with the operator's token unless it brings its own.
    pub(crate) fn send(&self, request: ureq::http::request::Builder, body: &[u8]) -> Reply {
        reply(
            agent()
                .run(with_token(request).body(body.to_vec()).unwrap())
                .unwrap(),
        )
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> ureq::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        reply(
            agent()
                .run(with_token(self.request("GET", path)).body(()).unwrap())
                .unwrap(),
        )
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> Reply {
        self.send(self.request("POST", path), body.to_string().as_bytes())
    }

    /// Submits, and gives the id.
    pub(crate) fn submit(&self, body: Value) -> String {
        let reply = self.post("/api/v1/tasks", body);
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn task(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/tasks/{id}")).json()
    }

    /// Waits for the end of a task.
    pub(crate) fn ended(&self, id: &str) -> Value {
        loop {
            let task = self.get(&format!("/api/v1/tasks/{id}?wait=30s")).json();
            if task["final"] == true {
                return task;
            }
        }
    }

    /// Looks again and again, woken by what is committed, until it is so.
    pub(crate) fn until(&self, path: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut changed = self.orchestrator.changed();
        for _ in 0..2_000 {
            changed.mark_unchanged();
            let reply = self.get(path);
            if reply.status == 200 && is(&reply.json()) {
                return reply.json();
            }
            let look = tokio::time::Duration::from_millis(50);
            let _ = self
                .runtime
                .block_on(async { tokio::time::timeout(look, changed.changed()).await });
        }
        panic!(
            "{path} never became what the test waits for: {}",
            self.get(path).text
        );
    }

    /// A task that runs until it is stopped, and does run.
    pub(crate) fn running(&self) -> String {
        let id = self.submit(json!({"kind": "wait"}));
        self.until(&format!("/api/v1/tasks/{id}"), |task| {
            task["state"] == "running"
        });
        id
    }

    /// A task that is dead.
    pub(crate) fn dead(&self) -> String {
        let id = self.submit(json!({"kind": "bad"}));
        assert_eq!(self.ended(&id)["state"], "dead");
        id
    }

    /// Opens a stream.
    pub(crate) fn listen(&self, path: &str, last: Option<&str>) -> Stream {
        let mut request = with_token(self.request("GET", path));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        self.open(request).expect("a stream")
    }

    /// Opens a stream with a request as it is, if that is let in.
    pub(crate) fn open(&self, request: ureq::http::request::Builder) -> Option<Stream> {
        let response = agent().run(request.body(()).unwrap()).unwrap();
        if response.status() == 401 {
            return None;
        }
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Some(Stream(BufReader::new(response.into_body().into_reader())))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.engine.cancel();
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|e| panic!("{e}: {} {}", self.status, self.text))
    }

    /// A problem with this status and code, complete in its form.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        let kind = &self.headers["content-type"];
        assert_eq!(kind, "application/problem+json", "{}", self.text);
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}", self.text);
        assert_eq!(problem["status"], status);
        for field in ["type", "title", "detail", "hint"] {
            assert!(
                !problem[field].as_str().unwrap().is_empty(),
                "{field}: {problem}"
            );
        }
        let id = self.headers["x-request-id"].to_str().unwrap();
        assert_eq!(problem["request_id"], id);
        let later = matches!(status, 429 | 503);
        assert_eq!(self.headers.contains_key("retry-after"), later);
        problem
    }

    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }
}

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<u64>,
    pub(crate) data: Value,
}

/// A stream that is read event by event.
pub(crate) struct Stream(BufReader<ureq::BodyReader<'static>>);

impl Stream {
    /// The next line; `None` at the end.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap_or(0);
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// Reads to the end, which must come in order.
    pub(crate) fn ends(mut self) {
        let mut rest = String::new();
        let read = self.0.read_to_string(&mut rest);
        read.expect("the server ends the stream");
    }

    /// The next event that carries something.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let line = self.line()?;
            if let Some(name) = line.strip_prefix("event: ") {
                event.name = name.into();
            } else if let Some(id) = line.strip_prefix("id: ") {
                event.id = Some(id.parse().unwrap());
            } else if let Some(data) = line.strip_prefix("data: ") {
                event.data = serde_json::from_str(data).unwrap();
            } else if line.is_empty() && !event.data.is_null() {
                return Some(event);
            } else if line.is_empty() {
                event = Event::default();
            }
        }
    }

    /// The next event of this name for which this holds.
    pub(crate) fn find(&mut self, name: &str, is: impl Fn(&Value) -> bool) -> Event {
        loop {
            let event = self.next().expect("the stream goes on");
            if event.name == name && is(&event.data) {
                return event;
            }
        }
    }
}

pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .proxy(None)
        .build()
        .into()
}

fn with_token(request: ureq::http::request::Builder) -> ureq::http::request::Builder {
    let brings = request
        .headers_ref()
        .is_some_and(|h| h.contains_key("authorization"));
    match brings {
        true => request,
        false => request.header("authorization", format!("Bearer {TOKEN}")),
    }
}

pub(crate) fn reply(mut response: Response<ureq::Body>) -> Reply {
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.body_mut().read_to_string().unwrap(),
    }
}

async fn echo(_: TaskContext, input: Value) -> Result<Value, TaskError> {
    Ok(input)
}

async fn wait(context: TaskContext, _: Value) -> Result<Value, TaskError> {
    context.stopped().await;
    Err(TaskError::business("stopped"))
}

async fn fail(_: TaskContext, _: Value) -> Result<Value, TaskError> {
    Err(TaskError::business("the answer is no"))
}

async fn bad(_: TaskContext, _: Value) -> Result<Value, TaskError> {
    Err(TaskError::invalid("the input can never work"))
}

async fn talk(context: TaskContext, _: Value) -> Result<Value, TaskError> {
    for line in ["one", "two", "three"] {
        context.log(line).await;
    }
    Ok(json!({}))
}

async fn stop_all(_: TaskContext, _: Value) -> Result<Value, TaskError> {
    Err(TaskError::critical("stop and tell a person"))
}
