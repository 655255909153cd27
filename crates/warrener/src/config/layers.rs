//! Puts the layers over each other: flags > environment > file > defaults. Each value keeps its origin.

use super::keys::{self, KEYS};
use super::value::Value;
use super::{Config, environment, file, resolve};
use crate::error::CliError;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use warrener_model::Mistake;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file: its name as the user gave it, line and column from 1.
    File(String, usize, usize),
    /// A variable of the environment.
    Variable(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(name, line, column) => write!(f, "{name}:{line}:{column}"),
            Origin::Variable(name) | Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// A value with its origin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    /// The value.
    pub(crate) value: Value,
    /// Where it came from.
    pub(crate) origin: Origin,
}

/// One layer, or all of them: values by path.
pub(crate) type Layer = BTreeMap<Vec<String>, Setting>;

/// A flag that is a setting.
#[derive(Clone, Debug)]
pub(crate) struct Flag {
    /// Which setting.
    pub(crate) path: &'static [&'static str],
    /// The flag as it was typed, such as `--listen`.
    pub(crate) name: &'static str,
    /// Its value.
    pub(crate) value: String,
}

/// What the layers are read from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// Flags.
    pub(crate) flags: Vec<Flag>,
    /// The environment.
    pub(crate) variables: Vec<(String, String)>,
    /// The configuration file, if there is one: its name and text.
    pub(crate) file: Option<(PathBuf, String)>,
}

/// Every value with its origin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// By path. Defaults of settings without `*` are among them.
    pub(crate) values: Layer,
    /// The configuration file, if one was read.
    pub(crate) file: Option<PathBuf>,
}

impl Sources {
    /// The flags given, this process' environment, and the file. A file that the user named must be there.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn of_process(flags: Vec<Flag>, file: Option<&Path>) -> Result<Self, CliError> {
        let variables: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = file.map(Path::to_path_buf).or_else(|| {
            let variable = variables.iter().find(|(name, _)| name == "WARRENER_CONFIG");
            variable.map(|(_, value)| PathBuf::from(value))
        });
        let path = named
            .clone()
            .unwrap_or_else(|| PathBuf::from("warrener.toml"));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => Some((path, text)),
            Err(e) if named.is_none() && e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => {
                let detail = format!("cannot read the configuration {}: {e}", path.display());
                let hint = "check --config, or leave it out to use the defaults";
                return Err(CliError::new("config_invalid", detail).hint(hint));
            }
        };
        Ok(Sources {
            flags,
            variables,
            file,
        })
    }

    /// Reads every layer and puts them together.
    ///
    /// # Errors
    /// Every mistake of every layer, each with its place.
    pub(crate) fn load(&self) -> Result<(Settings, Config), CliError> {
        let mut mistakes = vec![];
        let mut values = defaults();
        if let Some((path, text)) = &self.file {
            values.extend(file::read(&path.display().to_string(), text, &mut mistakes));
        }
        values.extend(environment::read(&self.variables, &mut mistakes));
        values.extend(self.flags(&mut mistakes));
        let file = self.file.as_ref().map(|(path, _)| path.clone());
        let settings = Settings { values, file };
        let base = self.file.as_ref().and_then(|(path, _)| path.parent());
        let config = resolve::resolve(&settings, base, &mut mistakes);
        match config {
            Some(config) if mistakes.is_empty() => Ok((settings, config)),
            _ => Err(invalid(mistakes)),
        }
    }

    fn flags(&self, mistakes: &mut Vec<Mistake>) -> Layer {
        let mut layer = Layer::new();
        for flag in &self.flags {
            let path: Vec<String> = flag.path.iter().map(|part| (*part).to_owned()).collect();
            let key = keys::find(&path).expect("a flag names a setting of the table");
            match Value::of_text(key.shape, &flag.value) {
                Ok(value) => {
                    let origin = Origin::Flag(flag.name.into());
                    layer.insert(path, Setting { value, origin });
                }
                Err(message) => mistakes.push(Mistake::at(flag.name, message)),
            }
        }
        layer
    }
}

impl Settings {
    /// The setting at a path.
    pub(crate) fn get(&self, path: &[&str]) -> Option<&Setting> {
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        self.values.get(&path)
    }
}

/// The defaults of what has one place.
fn defaults() -> Layer {
    let fixed = KEYS.iter().filter(|key| !key.is_open());
    fixed
        .filter_map(|key| {
            let value = Value::of_text(key.shape, key.default?).expect("defaults have their shape");
            let path = key.path.iter().map(|part| (*part).to_owned()).collect();
            let origin = Origin::Default;
            Some((path, Setting { value, origin }))
        })
        .collect()
}

fn invalid(mistakes: Vec<Mistake>) -> CliError {
    let detail = match mistakes.as_slice() {
        [one] => format!("{}: {}", one.pointer, one.message),
        many => format!("the configuration has {} mistakes", many.len()),
    };
    let errors = if mistakes.len() > 1 { mistakes } else { vec![] };
    CliError::new("config_invalid", detail).mistakes(errors)
}
