//! The composition root of a server: the only place that names concrete back-ends. Opens the store, starts broker,
//! engine and HTTP on the data folder, and ends them in order.

use crate::address::{Address, with_code};
use crate::config::{self, Config, DecomposeBy};
use crate::data_dir::{Announced, DataDir};
use crate::link_end::LinkEnd;
use crate::rabbit::{self, Owned};
use crate::tls;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warrener_api::problem::Problem;
use warrener_backend::{Broker, Error as BackendError, MemoryBroker, Store};
use warrener_engine::options::{AutoRequeue, Retention};
use warrener_engine::supervise::{Scope, Stopped};
use warrener_engine::token::TaskTokens;
use warrener_engine::{Decompose, Options, Orchestrator, Timers};
use warrener_model::Kind;
use warrener_model::name::Namespace;
use warrener_model::retry::Policies;
use warrener_server::Logins;
use warrener_sqlite::SqliteStore;

/// How long the parts of a server may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server is started with.
#[derive(Debug)]
pub(crate) struct ServerSetup {
    pub(crate) data: DataDir,
    /// Where and how it is found.
    pub(crate) server: config::Server,
    /// RabbitMQ; without it the broker is in this process.
    pub(crate) rabbit: Option<rabbit::Way>,
    pub(crate) options: Options,
}

/// What becomes of the namespace when a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    Keep,
    Remove,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) orchestrator: Orchestrator,
    /// Where browsers find it; nothing if only a proxy knows.
    browser_url: Option<String>,
    logins: Logins,
    store: Arc<dyn Store>,
    owned: Option<Owned>,
    stop: CancellationToken,
    http: JoinHandle<std::io::Result<()>>,
    engine: JoinHandle<Stopped>,
    _announced: Announced,
}

impl ServerSetup {
    /// With defaults only.
    pub(crate) fn embedded(data: DataDir, listen: SocketAddr) -> Self {
        ServerSetup {
            data,
            server: config::Server {
                listen,
                url: None,
                behind_proxy: false,
                tls: None,
            },
            rabbit: None,
            options: Options::default(),
        }
    }

    /// The same on RabbitMQ.
    pub(crate) fn on(mut self, way: rabbit::Way, namespace: Namespace) -> Self {
        self.rabbit = Some(way);
        self.options.namespace = namespace;
        self
    }

    /// As configured.
    pub(crate) fn of(config: &Config, data: DataDir) -> Result<Self, Problem> {
        refuse_what_is_not_there(config)?;
        let options = Options {
            namespace: config.namespace.clone(),
            timers: timers(&config.timers),
            policies: Policies::default().with(&config.retry),
            retention: Retention {
                finished: config.retention.finished,
                dead: config.dead.keep,
                keys: config.retention.keys,
                agents: config.retention.agents,
                ..Retention::default()
            },
            auto_requeue: config.dead.auto_requeue.as_ref().map(|rule| AutoRequeue {
                class: rule.class,
                younger: rule.younger,
                times: rule.times,
            }),
            breakers: config.breakers.clone(),
            lanes: config.lanes.clone(),
            schemas: schemas(config)?,
            may_spawn: spawners(config),
            decompose: decomposed(config)?,
            patience: config.patience.of_engine(),
            alerts: crate::alert::sink(config)?,
            ..Options::default()
        };
        Ok(ServerSetup {
            data,
            server: config.server.clone(),
            rabbit: rabbit::Way::of(config),
            options,
        })
    }
}

/// What this version cannot do is said at the start, not found out at night.
fn refuse_what_is_not_there(config: &Config) -> Result<(), Problem> {
    let no = |what: &str, hint: &str| Err(Problem::new("config_invalid", what).hint(hint));
    if config.store != config::Store::Sqlite {
        return no(
            "this version has only the SQLite store",
            "set store.url = \"sqlite\", or leave it out",
        );
    }
    let server = &config.server;
    if !server.listen.ip().is_loopback() && !server.behind_proxy && server.tls.is_none() {
        let what = format!(
            "listening on {} would send tokens in the clear",
            server.listen
        );
        return no(
            &what,
            "listen on 127.0.0.1; or set tls_cert and tls_key under [server]; or put a proxy that does TLS in front and say --behind-proxy",
        );
    }
    Ok(())
}

/// The engine's timers, as configured.
pub(crate) fn timers(timers: &config::Timers) -> Timers {
    Timers {
        claim_repeat: timers.claim_repeat,
        claim_ttl: timers.claim_ttl,
        grant_fresh: timers.grant_fresh,
        grace: timers.grace,
        outcome_again: timers.outcome_again,
        offer_overdue: timers.offer_overdue,
        fast_overdue: timers.fast_overdue,
        handoff: timers.handoff,
        heartbeat: timers.heartbeat,
        lease: timers.lease,
        confirm: timers.confirm,
        caught_up: timers.caught_up,
        sweep: timers.sweep,
        hello: timers.hello,
        ..Timers::default()
    }
}

fn schemas(config: &Config) -> Result<BTreeMap<Kind, Arc<jsonschema::Validator>>, Problem> {
    let mut schemas = BTreeMap::new();
    for (kind, settings) in &config.kinds {
        let Some(file) = &settings.input_schema else {
            continue;
        };
        let validator = schema(file).map_err(|reason| {
            let detail = format!("[kind.{kind}] input_schema {}: {reason}", file.display());
            Problem::new("config_invalid", detail)
        })?;
        schemas.insert(kind.clone(), Arc::new(validator));
    }
    Ok(schemas)
}

/// The kinds whose tasks may open children.
fn spawners(config: &Config) -> BTreeSet<Kind> {
    let kinds = config.kinds.iter().filter(|(_, kind)| kind.may_spawn);
    kinds.map(|(name, _)| name.clone()).collect()
}

/// How tasks of which kinds are decomposed. A file with mistakes is said at the start.
fn decomposed(config: &Config) -> Result<BTreeMap<Kind, Decompose>, Problem> {
    let mut all = BTreeMap::new();
    for (kind, settings) in &config.kinds {
        let way = match &settings.decompose {
            None => continue,
            Some(DecomposeBy::Agent) => Decompose::Agent,
            Some(DecomposeBy::Builtin(file)) => Decompose::Template((*file).to_owned()),
            Some(DecomposeBy::File(file)) => {
                let text = template(file).map_err(|reason| {
                    let detail = format!("[kind.{kind}] decompose {}: {reason}", file.display());
                    Problem::new("config_invalid", detail).hint(
                        "name a sound workflow file, feature, bug-fix, refactor, or agent; `warrener workflow validate FILE` says all mistakes of a file",
                    )
                })?;
                Decompose::Template(text)
            }
        };
        all.insert(kind.clone(), way);
    }
    Ok(all)
}

fn template(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    warrener_workflow::read(&text).map_err(|mistakes| {
        let first = mistakes
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        match mistakes.len() {
            1 => first,
            many => format!("{first}; and {} more", many - 1),
        }
    })?;
    Ok(text)
}

fn schema(file: &Path) -> Result<jsonschema::Validator, String> {
    let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    let json = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    jsonschema::validator_for(&json).map_err(|e| e.to_string())
}

/// Starts everything; comes back once the server answers.
pub(crate) async fn start(setup: ServerSetup) -> Result<Running, Problem> {
    let tls = setup.server.tls.as_ref().map(tls::server).transpose()?;
    let token = setup.data.token()?;
    let secret = setup.data.secret()?;
    let store = open(setup.data.path())?;
    let store: Arc<dyn Store> = Arc::new(store);
    // Before the port is open: a namespace that is another store's ends this here.
    let owned = match &setup.rabbit {
        Some(way) => Some(Owned::start(way, store.id()).await?),
        None => None,
    };
    let broker: Arc<dyn Broker> = match &owned {
        Some(owned) => Arc::new(owned.clone()),
        None => Arc::new(MemoryBroker::default()),
    };
    #[cfg(feature = "kill-points")]
    let (store, broker) = (
        crate::kill_points::store(store),
        crate::kill_points::broker(broker),
    );
    let listener = TcpListener::bind(setup.server.listen)
        .await
        .map_err(|error| {
            let detail = format!("cannot listen on {}: {error}", setup.server.listen);
            Problem::new("usage", detail).hint("choose another with --listen 127.0.0.1:PORT")
        })?;
    let address = Address::of(&setup.server, listener.local_addr().map_err(internal)?);
    if let Some(tls) = &tls {
        tls.is_for(&address.url)?;
    }
    let stop = CancellationToken::new();
    let mut scope = Scope::new(&stop);
    let options = Options {
        tokens: TaskTokens::new(secret),
        ..setup.options
    };
    let started = Orchestrator::start(store.clone(), broker.clone(), options, &mut scope).await;
    let orchestrator = started.map_err(internal)?;
    let engine = tokio::spawn(scope.run(PATIENCE));
    let logins = Logins::default();
    let server = warrener_server::ServerOptions {
        allowed_hosts: address.hosts,
        tls: tls.map(|tls| tls.config),
        logins: logins.clone(),
        behind_proxy: setup.server.behind_proxy,
        link: Some(Arc::new(LinkEnd::new(
            broker,
            setup.rabbit,
            orchestrator.clone(),
        ))),
        token,
        ..warrener_server::ServerOptions::default()
    };
    let served = warrener_server::serve(listener, orchestrator.clone(), server, stop.clone());
    let http = tokio::spawn(served);
    let url = address.url;
    let announced = setup.data.announce(&url)?;
    tracing::info!(url, data_dir = %setup.data.path().display(), "server started");
    Ok(Running {
        url,
        orchestrator,
        browser_url: address.browser_url,
        logins,
        store,
        owned,
        stop,
        http,
        engine,
        _announced: announced,
    })
}

impl Running {
    /// A fresh address that lets one browser in, once.
    pub(crate) fn login(&self) -> Option<String> {
        let url = self.browser_url.as_deref()?;
        Some(with_code(url, &self.logins.code()))
    }

    /// Waits until its broker takes what it publishes.
    ///
    /// # Errors
    /// Why it does not within the time.
    pub(crate) async fn with_broker(&self, within: Duration) -> Result<(), Problem> {
        match &self.owned {
            Some(owned) => owned.ready(within).await,
            None => Ok(()),
        }
    }

    /// Waits until a part of it ends that should not.
    pub(crate) async fn failed(&mut self) -> Problem {
        let lost = async {
            match &mut self.owned {
                Some(owned) => owned.lost().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            problem = lost => problem,
            engine = &mut self.engine => internal(format!("the engine ended: {engine:?}")),
            http = &mut self.http => internal(format!("the HTTP server ended: {http:?}")),
        }
    }

    /// Accepts nothing more, ends every part, writes what was handed over.
    pub(crate) async fn stop(self) {
        self.end(Afterwards::Keep).await;
    }

    /// The same, and leaves nothing in RabbitMQ.
    pub(crate) async fn stop_for_good(self) {
        self.end(Afterwards::Remove).await;
    }

    async fn end(self, afterwards: Afterwards) {
        self.orchestrator.drain();
        self.stop.cancel();
        let ended = async {
            // What ended by itself was waited for already (see `failed`).
            if !self.http.is_finished() {
                let _ = self.http.await;
            }
            if !self.engine.is_finished() {
                let _ = self.engine.await;
            }
        };
        if tokio::time::timeout(PATIENCE * 2, ended).await.is_err() {
            tracing::warn!("some parts of the server did not end in time");
        }
        if let Some(owned) = &self.owned {
            if afterwards == Afterwards::Remove {
                owned.remove().await;
            }
            owned.close().await;
        }
        if let Err(error) = self.store.close(PATIENCE).await {
            tracing::warn!(%error, "the store did not close");
        }
        tracing::info!("server stopped");
    }
}

/// Opens the store, and turns its errors into what a person can do about them.
fn open(folder: &Path) -> Result<SqliteStore, Problem> {
    SqliteStore::open(warrener_sqlite::Options::new(folder)).map_err(|error| {
        let text = error.to_string();
        match error {
            BackendError::Taken { .. } => Problem::new("data_dir_taken", text),
            BackendError::NoRoom { .. } => Problem::new("data_dir_unusable", text),
            BackendError::Damaged { .. } => Problem::new("store_damaged", text),
            BackendError::Invalid(_) if text.contains("newer") => Problem::new("store_newer", text),
            _ => Problem::new("data_dir_unusable", text),
        }
    })
}

fn internal(error: impl ToString) -> Problem {
    Problem::new("internal", error.to_string())
}
