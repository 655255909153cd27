//! The files of one node, and the environment that makes a broker use them and nothing of the machine's own.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ports::Ports;

use super::certificates::Authority;
use super::door::Door;
use super::install::Install;
use super::options::{Options, Tls};

/// One node's folder, already written.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// The same, as the node sees it.
    inside: PathBuf,
}

/// What a node's files are made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) install: &'a Install,
    pub(crate) ports: &'a Ports,
    pub(crate) door: &'a Door,
    pub(crate) options: &'a Options,
    pub(crate) authority: Option<&'a Authority>,
}

impl Draft<'_> {
    pub(crate) fn write(&self, path: PathBuf) -> io::Result<Folder> {
        for part in ["home", "log", "data"] {
            fs::create_dir_all(path.join(part))?;
        }
        let inside = self.install.inside(&path);
        let file = |name: &str, text: &str| fs::write(path.join(name), text);
        let mut plugins = self.options.plugins.clone();
        let mut config = config(self.ports, self.options);
        if let Some(authority) = self.authority {
            let server = authority.server();
            file("ca.pem", &authority.certificate())?;
            file("server.pem", &server.certificate)?;
            file("server.key", &server.key)?;
            config += &tls(&inside, self.ports, self.options.tls);
            plugins.push("rabbitmq_auth_mechanism_ssl");
        }
        file("env.conf", "")?;
        file("rabbitmq.conf", &config)?;
        file("advanced.config", &advanced(self.options))?;
        file("plugins", &format!("[{}].\n", plugins.join(",")))?;
        file("door.erl", &self.door.script())?;
        let cookie = path.join("home/.erlang.cookie");
        fs::write(&cookie, "WARRENERTEST")?;
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400))?;
        Ok(Folder { path, inside })
    }
}

impl Folder {
    /// Lines a broker left about itself, the last ones.
    pub(crate) fn last_words(&self) -> String {
        ["out", "log/rabbit.log"]
            .iter()
            .map(|name| {
                let text = fs::read_to_string(self.path.join(name)).unwrap_or_default();
                let lines: Vec<&str> = text.lines().rev().take(15).collect();
                let lines = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
                format!("== {name}\n{lines}\n")
            })
            .collect()
    }

    /// Where the broker's own output goes.
    pub(crate) fn output(&self) -> io::Result<fs::File> {
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path.join("out"))
    }

    /// Gives a command of the broker all that makes it private.
    pub(crate) fn furnish(&self, command: &mut Command, name: &str, ports: &Ports, epmd: u16) {
        let at = |name: &str| self.inside.join(name);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LANG", "C.UTF-8")
            .env("HOME", at("home"))
            .env("ERL_EPMD_PORT", epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            // Makes the script become the broker, so that there is one process to kill.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env("RABBITMQ_NODENAME", name)
            .env("RABBITMQ_CONF_ENV_FILE", at("env.conf"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", at("advanced.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
            .env("RABBITMQ_MNESIA_BASE", at("data"))
            .env("RABBITMQ_MNESIA_DIR", at("data/node"))
            .env("RABBITMQ_FEATURE_FLAGS_FILE", at("data/feature_flags"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", at("generated"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_LOGS", at("log/rabbit.log"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            .env("RABBITMQ_DIST_PORT", ports.distribution().to_string());
        command.args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]);
        command.args(["-run", "file", "script"]).arg(at("door.erl"));
    }
}

fn config(ports: &Ports, options: &Options) -> String {
    let mut lines = vec![
        format!("listeners.tcp.1 = 127.0.0.1:{}", ports.amqp()),
        "log.console = false".to_owned(),
        "log.file.level = info".to_owned(),
        // No alarm but those that tests raise, however small or full the machine is.
        "vm_memory_high_watermark.absolute = 2GB".to_owned(),
        "disk_free_limit.absolute = 1MB".to_owned(),
    ];
    if options.plugins.contains(&"rabbitmq_management") {
        lines.push("management.tcp.ip = 127.0.0.1".to_owned());
        lines.push(format!("management.tcp.port = {}", ports.management()));
        lines.push("collect_statistics_interval = 1000".to_owned());
    }
    if options.plugins.contains(&"rabbitmq_prometheus") {
        lines.push("prometheus.tcp.ip = 127.0.0.1".to_owned());
        lines.push(format!("prometheus.tcp.port = {}", ports.prometheus()));
    }
    lines.push(options.config.clone());
    lines.join("\n") + "\n"
}

fn tls(folder: &Path, ports: &Ports, tls: Tls) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let mut lines = vec![
        format!("listeners.ssl.1 = 127.0.0.1:{}", ports.amqps()),
        format!("ssl_options.cacertfile = {}", at("ca.pem")),
        format!("ssl_options.certfile = {}", at("server.pem")),
        format!("ssl_options.keyfile = {}", at("server.key")),
    ];
    if tls == Tls::Mutual {
        let more = [
            "ssl_options.verify = verify_peer",
            "ssl_options.fail_if_no_peer_cert = true",
            "auth_mechanisms.1 = EXTERNAL",
            "auth_mechanisms.2 = PLAIN",
            "ssl_cert_login_from = common_name",
        ];
        lines.extend(more.map(str::to_owned));
    }
    lines.join("\n") + "\n"
}

/// The clock of a channel has no name in `rabbitmq.conf` on every version.
fn advanced(options: &Options) -> String {
    let Some(timeout) = options.consumer_timeout else {
        return "[].\n".to_owned();
    };
    let timeout_ms = timeout.as_millis();
    let tick_ms = (timeout_ms / 4).max(50);
    format!(
        "[{{rabbit, [{{consumer_timeout, {timeout_ms}}}, {{channel_tick_interval, {tick_ms}}}]}}].\n"
    )
}
