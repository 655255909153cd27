//! Finds the server and the token: the configuration, else what a server wrote into the data folder, else the default.

use crate::config::Config;
use crate::config::layers::{Origin, Settings};
use crate::error::CliError;
use crate::{address, tls};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use warrener_api::Client;
use warrener_api::client::{ClientError, Options};
use warrener_api::tls::Roots;

/// Where a server listens when nobody says.
const DEFAULT_URL: &str = "http://127.0.0.1:7766";
/// The file in the data folder that says where its server is.
pub(crate) const SERVER_FILE: &str = "server.json";
/// Says where the server is; agents give it to the programs they run.
const SERVER_VARIABLE: &str = "WARRENER_SERVER";
/// What a running program may show to the server of [`SERVER_VARIABLE`] as its own.
const TASK_TOKEN_VARIABLE: &str = "WARRENER_TASK_TOKEN";
/// The file in the data folder that holds the token.
pub(crate) const TOKEN_FILE: &str = "token";

/// What a server writes into its data folder (mode 0600) while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerFile {
    /// Its address.
    pub(crate) url: String,
    /// Its process.
    pub(crate) pid: u32,
    /// The file with the token; relative paths start at the data folder.
    pub(crate) token_file: PathBuf,
}

/// A server, and how it was found.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Speaks to it.
    pub(crate) client: Client,
    /// Where its address came from, for people.
    pub(crate) found: String,
    /// The token that is shown to it.
    pub(crate) token: Option<String>,
    /// Whom `https` trusts.
    pub(crate) roots: Roots,
}

impl Server {
    /// Asks it something.
    ///
    /// # Errors
    /// What the client says, with where the address came from.
    pub(crate) fn ask<T>(
        &self,
        question: impl FnOnce(&Client) -> Result<T, ClientError>,
    ) -> Result<T, CliError> {
        question(&self.client).map_err(|error| CliError::of_client(error, &self.found))
    }
}

/// Finds the server.
///
/// # Errors
/// The address, or the file in the data folder, cannot be used.
pub(crate) fn find(
    config: &Config,
    settings: &Settings,
    timeout: Duration,
) -> Result<Server, CliError> {
    let dir = &config.data_dir;
    let (url, found, token_file) = match &config.server.url {
        Some(url) => {
            let origin = settings
                .get(&["server", "url"])
                .map(|setting| &setting.origin);
            let found = match origin {
                Some(Origin::Default) | None => "default".to_owned(),
                Some(origin) => format!("from {origin}"),
            };
            (url.clone(), found, dir.join(TOKEN_FILE))
        }
        None => match server_file(dir)? {
            Some(file) => {
                let path = dir.join(SERVER_FILE);
                let ended = if is_running(file.pid) {
                    ""
                } else {
                    ", whose server has ended"
                };
                let found = format!("from {}{ended}", path.display());
                (file.url, found, dir.join(file.token_file))
            }
            None => (
                DEFAULT_URL.to_owned(),
                "default".to_owned(),
                dir.join(TOKEN_FILE),
            ),
        },
    };
    let own = std::env::var(TASK_TOKEN_VARIABLE).ok();
    let own = own.filter(|token| !token.is_empty());
    let given = of_run(settings, own).or_else(|| config.token.clone());
    let token = given.or_else(|| {
        let text = std::fs::read_to_string(token_file).ok();
        let text = text.filter(|_| is_local(&url) || is_announced(&url, dir))?;
        Some(text.trim().to_owned())
    });
    let roots = match url.starts_with("https://") {
        true => tls::roots(config.ca.as_deref())?,
        false => Roots::default(),
    };
    let options = Options {
        url,
        token: token.clone(),
        roots: roots.clone(),
        timeout,
    };
    let client = Client::new(options).map_err(|error| CliError::of_client(error, &found))?;
    Ok(Server {
        client,
        found,
        token,
        roots,
    })
}

/// The token of this folder's server is for this machine, and for whoever shows a certificate for the address that this
/// folder's server has announced. Any other server must be given its own.
fn is_announced(url: &str, dir: &Path) -> bool {
    let file = server_file(dir).ok().flatten();
    url.starts_with("https://")
        && file.is_some_and(|file| file.url.trim_end_matches('/') == url.trim_end_matches('/'))
}

/// Where the server is, as far as somebody said: the configuration, or the server itself in the data folder.
///
/// # Errors
/// The file in the data folder cannot be used.
pub(crate) fn known(config: &Config) -> Result<Option<String>, CliError> {
    match &config.server.url {
        Some(url) => Ok(Some(url.clone())),
        None => Ok(server_file(&config.data_dir)?.map(|file| file.url)),
    }
}

/// Whether there is a server to go to: somebody named one, or that of the data folder runs.
///
/// # Errors
/// The file in the data folder cannot be used.
pub(crate) fn is_there(config: &Config) -> Result<bool, CliError> {
    let file = server_file(&config.data_dir)?;
    Ok(config.server.url.is_some() || file.is_some_and(|file| is_running(file.pid)))
}

/// The token of the run that this command is part of, for the server that gave it. Only what the program itself set in
/// its environment comes before it: the files of a folder that a program works in are not meant for it.
fn of_run(settings: &Settings, own: Option<String>) -> Option<String> {
    let origin = |path: &[&str]| settings.get(path).map(|setting| &setting.origin);
    let here = matches!(origin(&["server", "url"]), Some(Origin::Variable(name)) if name == SERVER_VARIABLE);
    let said = matches!(origin(&["token"]), Some(Origin::Variable(_)));
    own.filter(|_| here && !said)
}

fn server_file(dir: &Path) -> Result<Option<ServerFile>, CliError> {
    let path = dir.join(SERVER_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e)
            if matches!(
                e.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(e) => {
            let detail = format!("cannot read {}: {e}", path.display());
            let hint = "run this as the user who started the server, or name it with --server URL";
            return Err(CliError::new("data_dir_unusable", detail).hint(hint));
        }
    };
    serde_json::from_str(&text).map(Some).map_err(|e| {
        let detail = format!("{} is damaged: {e}", path.display());
        let hint = "start the server again, or name it with --server URL";
        CliError::new("data_dir_unusable", detail).hint(hint)
    })
}

/// Whether a URL leads to this machine.
fn is_local(url: &str) -> bool {
    let host = address::host(url).trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn is_running(pid: u32) -> bool {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| match rustix::process::test_kill_process(pid) {
        Ok(()) => true,
        Err(error) => error == rustix::io::Errno::PERM,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::Shape;
    use crate::config::layers::Setting;

    #[test]
    fn a_runs_token_is_for_the_server_that_gave_it_and_comes_before_files() {
        let with = |values: &[(&[&str], Origin)]| {
            let mut settings = Settings::default();
            for (path, origin) in values {
                let path = path.iter().map(|part| (*part).to_owned()).collect();
                let value = crate::config::value::Value::of_text(Shape::Text, "x").unwrap();
                let origin = origin.clone();
                settings.values.insert(path, Setting { value, origin });
            }
            of_run(&settings, Some("wt1".into()))
        };
        let variable = |name: &str| Origin::Variable(name.into());
        let url: &[&str] = &["server", "url"];
        let given = (url, variable("WARRENER_SERVER"));
        let file = (&["token"][..], Origin::File("warrener.toml".into(), 1, 1));
        assert_eq!(with(&[given.clone(), file]).as_deref(), Some("wt1"));
        let said = (&["token"][..], variable("WARRENER_TOKEN"));
        assert_eq!(with(&[given, said]), None);
        assert_eq!(with(&[(url, Origin::Flag("--server".into()))]), None);
        assert_eq!(with(&[(url, variable("WARRENER_SERVER__URL"))]), None);
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn only_this_machine_gets_the_token_of_the_folder() {
        for url in [
            "http://127.0.0.1:7766",
            "http://localhost/x",
            "http://[::1]:1",
            "http://127.9.9.9",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "http://example.org",
            "http://10.0.0.1:7766",
            "http://localhost.evil.org",
            "http://127.0.0.1.nip.io",
            "http://127.0.0.1:1@example.org",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }
}
