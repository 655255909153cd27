//! Checks the values as a whole, and makes the plain [`Config`] of them.

use super::layers::Settings;
use super::{Broker, Config, Dead, DecomposeBy, Identity, KindConfig, Rabbit, Server, Store, Tls};
use look::{Look, below};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use warrener_engine::LaneOptions;
use warrener_model::Mistake;
use warrener_model::name::{Kind, Lane};
use warrener_workflow::builtin;

mod breaker;
mod look;
mod policy;
mod team;

/// The resolved configuration; nothing when there are mistakes.
pub(crate) fn resolve(
    settings: &Settings,
    base: Option<&Path>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Config> {
    let mut look = Look { settings, mistakes };
    let namespace = look.parsed(&["namespace"]);
    let broker = look.broker();
    let rabbit = look.rabbit(base);
    let store = look.store();
    let listen = look.parsed(&["server", "listen"]);
    let tls = look.tls(base);
    let id = look.maybe(&["agent_id"]);
    let lanes = look.lanes();
    let kinds = look.kinds(base);
    let breakers = look.breakers();
    let retry = look.retry();
    let alert = look.alert();
    let patience = look.patience();
    let auto_requeue = look.auto_requeue();
    let timers = look.timers();
    let retention = look.retention();
    let agents = look.agents(base);
    Some(Config {
        namespace: namespace?,
        data_dir: look.text(&["data_dir"]).map(PathBuf::from)?,
        token: look.text(&["token"]),
        ca: look.path(&["ca"], base),
        broker: broker?,
        rabbit: rabbit?,
        store: store?,
        server: Server {
            listen: listen?,
            url: look.text(&["server", "url"]),
            behind_proxy: look.flag(&["server", "behind_proxy"]),
            tls,
        },
        agent: Identity {
            id,
            name: look.text(&["agent_name"]),
        },
        lanes,
        kinds,
        breakers,
        retry,
        alert,
        patience: patience?,
        dead: Dead {
            keep: look.span(&["dead", "keep"])?,
            auto_requeue,
        },
        timers: timers?,
        retention: retention?,
        agents,
    })
}

impl Look<'_> {
    fn broker(&mut self) -> Option<Broker> {
        let path = ["broker", "url"];
        match self.text(&path)?.as_str() {
            "embedded" => Some(Broker::Embedded),
            url if url.starts_with("amqp://") || url.starts_with("amqps://") => {
                Some(Broker::Amqp(url.into()))
            }
            _ => {
                self.wrong(
                    &path,
                    "must be embedded, or a URL such as amqp://user:password@host:5672/vhost",
                );
                None
            }
        }
    }

    fn rabbit(&mut self, base: Option<&Path>) -> Option<Rabbit> {
        let [ca, cert, key] = ["ca", "cert", "key"].map(|name| self.path(&["broker", name], base));
        match (&cert, &key) {
            (Some(_), None) => self.wrong(
                &["broker", "cert"],
                "needs key, the file with its private key",
            ),
            (None, Some(_)) => {
                self.wrong(
                    &["broker", "key"],
                    "needs cert, the file with its certificate",
                );
            }
            _ => {}
        }
        Some(Rabbit {
            ca,
            cert,
            key,
            connect: self.span(&["broker", "connect"])?,
            heartbeat: self.span(&["broker", "heartbeat"])?,
            reconnect: self.span(&["broker", "reconnect"])?,
        })
    }

    fn store(&mut self) -> Option<Store> {
        let path = ["store", "url"];
        match self.text(&path)?.as_str() {
            "sqlite" => Some(Store::Sqlite),
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Some(Store::Postgres(url.into()))
            }
            _ => {
                self.wrong(
                    &path,
                    "must be sqlite, or a URL such as postgres://user:password@host/database",
                );
                None
            }
        }
    }

    /// A certificate is nothing without its key.
    fn tls(&mut self, base: Option<&Path>) -> Option<Tls> {
        let paths = [["server", "tls_cert"], ["server", "tls_key"]];
        match paths.map(|path| self.path(&path, base)) {
            [Some(cert), Some(key)] => Some(Tls { cert, key }),
            [Some(_), None] => {
                self.wrong(&paths[0], "needs tls_key, the file with its private key");
                None
            }
            [None, Some(_)] => {
                self.wrong(&paths[1], "needs tls_cert, the file with its certificate");
                None
            }
            [None, None] => None,
        }
    }

    fn lanes(&mut self) -> BTreeMap<Lane, LaneOptions> {
        let mut lanes = BTreeMap::new();
        for name in self.names(&["lane"]) {
            let path = ["lane", &name, "start"];
            let LaneOptions { start, window } = LaneOptions::default();
            let start = self.parsed(&path).unwrap_or(start);
            let number = self.number(&["lane", &name, "window"]);
            let window = number.map_or(window, |number| number as usize);
            if let Some(lane) = self.take(&path, Lane::new(&name)) {
                lanes.insert(lane, LaneOptions { start, window });
            }
        }
        lanes
    }

    fn kinds(&mut self, base: Option<&Path>) -> BTreeMap<Kind, KindConfig> {
        let mut kinds = BTreeMap::new();
        for name in self.names(&["kind"]) {
            let path = ["kind", &name, "input_schema"];
            let schema = self.text(&path).map(|file| below(base, &file));
            let may_spawn = self.flag(&["kind", &name, "may_spawn"]);
            let way = self.text(&["kind", &name, "decompose"]);
            let decompose = way.map(|way| match (way.as_str(), builtin::template(&way)) {
                ("agent", _) => DecomposeBy::Agent,
                (_, Some(file)) => DecomposeBy::Builtin(file),
                _ => DecomposeBy::File(below(base, &way)),
            });
            if let Some(kind) = self.take(&path, Kind::new(&name)) {
                let config = KindConfig {
                    input_schema: schema,
                    may_spawn,
                    decompose,
                };
                kinds.insert(kind, config);
            }
        }
        kinds
    }
}
