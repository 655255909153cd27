//! Reads the layer of the environment: `WARRENER_BROKER__URL`, `…_FILE` for secrets, and the names that RabbitMQ setups use.

use super::keys::{self, KEYS, Key, Shape, dotted};
use super::layers::{Layer, Origin, Setting};
use super::value::Value;
use warrener_model::Mistake;

const URL: &str = "RABBITMQ_URL";
const HOST: &str = "RABBITMQ_HOST";
const PORT: &str = "RABBITMQ_PORT";
const USER: &str = "RABBITMQ_USER";
const PASSWORD: &str = "RABBITMQ_PASSWORD";
const VHOST: &str = "RABBITMQ_VHOST";

/// The names of RabbitMQ setups that are read here. They say where the broker is and hold its password, so programs of
/// agents do not get them, as they do not get `WARRENER_…`.
pub(crate) const RABBITMQ: &[&str] = &[URL, HOST, PORT, USER, PASSWORD, VHOST];

/// Variables of one word that are settings under another path.
const ALIASES: &[(&str, &[&str])] = &[
    (URL, &["broker", "url"]),
    ("AGENT_ID", &["agent_id"]),
    ("AGENT_NAME", &["agent_name"]),
    ("WARRENER_SERVER", &["server", "url"]),
];

/// Reads the environment; what is wrong is added to the mistakes, with the variable's name.
///
/// `WARRENER_` variables without `__` that are no settings are left alone: an agent's command gets some
/// (`WARRENER_TASK_ID`), and may start this program.
pub(crate) fn read(variables: &[(String, String)], mistakes: &mut Vec<Mistake>) -> Layer {
    let mut layer = Layer::new();
    let mut wrong = vec![];
    let mut take = |path: Vec<String>, key: &Key, name: &str, value: &str| match Value::of_text(
        key.shape, value,
    ) {
        Ok(value) => {
            let origin = Origin::Variable(name.into());
            layer.insert(path, Setting { value, origin });
        }
        Err(message) => mistakes.push(Mistake::at(name, message)),
    };
    match rabbitmq(variables) {
        Ok(Some(url)) => {
            let path = vec!["broker".to_owned(), "url".to_owned()];
            let key = keys::find(&path).expect("the broker's URL is a setting");
            take(path, key, HOST, &url);
        }
        Ok(None) => {}
        Err(mistake) => wrong.push(mistake),
    }
    for (alias, path) in ALIASES {
        let found = variables
            .iter()
            .find(|(name, value)| name == alias && !value.is_empty());
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        if let (Some((name, value)), Some(key)) = (found, keys::find(&path)) {
            take(path, key, name, value);
        }
    }
    let ours = || {
        let said = variables.iter().filter(|(_, value)| !value.is_empty());
        said.filter_map(|(name, value)| {
            Some((name, value, setting(name.strip_prefix("WARRENER_")?)))
        })
    };
    for (name, value, found) in ours() {
        match found {
            Found::File(path, key) => match std::fs::read_to_string(value) {
                Ok(text) => take(path, key, name, text.trim_end()),
                Err(e) => wrong.push(Mistake::at(name, format!("cannot read {value}: {e}"))),
            },
            Found::Unknown(message) => wrong.push(Mistake::at(name, message)),
            Found::Value(..) | Found::Foreign => {}
        }
    }
    // The value itself wins over a file that holds it.
    for (name, value, found) in ours() {
        if let Found::Value(path, key) = found {
            take(path, key, name, value);
        }
    }
    mistakes.append(&mut wrong);
    layer
}

enum Found {
    /// The value itself.
    Value(Vec<String>, &'static Key),
    /// A file that holds the value.
    File(Vec<String>, &'static Key),
    /// Meant as a setting, but none.
    Unknown(String),
    /// Not a setting.
    Foreign,
}

/// What a variable without its `WARRENER_` is.
fn setting(rest: &str) -> Found {
    let path: Vec<String> = rest.to_lowercase().split("__").map(Into::into).collect();
    if let Some(key) = keys::find(&path) {
        if path[0] == "agent" {
            return Found::Unknown("agents are set in warrener.toml: [[agent]]".into());
        }
        return Found::Value(path, key);
    }
    if let Some(short) = rest.strip_suffix("_FILE") {
        let path: Vec<String> = short.to_lowercase().split("__").map(Into::into).collect();
        if let Some(key) = keys::find(&path).filter(|key| key.shape == Shape::Secret) {
            return Found::File(path, key);
        }
    }
    if path.len() < 2 {
        return Found::Foreign;
    }
    let name = dotted(&path);
    let known: Vec<String> = KEYS.iter().map(|key| key.path.join(".")).collect();
    let near = keys::nearest(&name, known.iter().map(String::as_str));
    Found::Unknown(match near {
        Some(near) => {
            let near = near.to_uppercase().replace('.', "__");
            format!("no setting \"{name}\"; did you mean WARRENER_{near}?")
        }
        None => format!("no setting \"{name}\"; `warrener config show` lists them"),
    })
}

/// A broker's URL from `RABBITMQ_HOST` and its companions. The host decides: the others alone mean nothing.
fn rabbitmq(variables: &[(String, String)]) -> Result<Option<String>, Mistake> {
    let get = |name: &str| {
        let found = variables
            .iter()
            .find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    };
    let Some(host) = get(HOST) else {
        return Ok(None);
    };
    let mut url = "amqp://".to_owned();
    if let Some(user) = get(USER) {
        url.push_str(&encoded(user));
        if let Some(password) = get(PASSWORD) {
            url.push(':');
            url.push_str(&encoded(password));
        }
        url.push('@');
    }
    url.push_str(host);
    if let Some(port) = get(PORT) {
        if port.parse::<u16>().is_err() {
            let message = format!("\"{port}\" is not a port");
            return Err(Mistake::at(PORT, message));
        }
        url.push(':');
        url.push_str(port);
    }
    if let Some(vhost) = get(VHOST) {
        url.push('/');
        url.push_str(&encoded(vhost));
    }
    Ok(Some(url))
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
