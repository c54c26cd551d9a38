//! From files and environment to one [`Config`]: built-in defaults, then `config/default.toml` of the
//! working directory, then the file named on the command line, then the environment.
//!
//! Every layer is first read alone on top of the defaults, so that an error names the file or variable
//! it stands in. Values hold no references to other variables.

use super::{Config, ConfigError};
use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Value};
use std::path::{Path, PathBuf};

/// Short names of variables and the keys they set. The long form `INLET__SECTION__KEY` wins over them.
/// Other variables that begin with `INLET_` are not ours to judge: Kubernetes makes such for every
/// service of that name.
const VARIABLES: &[(&str, &str)] = &[
    ("DATABASE_URL", "store.url"),
    ("INLET_DATA_DIR", "data.dir"),
    ("INLET_LISTEN", "server.listen"),
    ("INLET_API_KEY", "auth.api_key"),
    ("INLET_ENCRYPTION_KEY", "encryption.key"),
    ("INLET_ENCRYPTION_KEY_PREVIOUS", "encryption.previous_key"),
    ("INLET_LOG", "log.filter"),
    ("INLET_LOG_FORMAT", "log.format"),
];

/// Keys whose variable may also be `..._FILE`, the name of a file that holds the value.
const SECRETS: &[&str] = &["store.url", "auth.api_key", "encryption.key", "encryption.previous_key"];

const LONG_PREFIX: &str = "INLET__";

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `config/default.toml` below this directory is read if it is there.
    pub working_directory: PathBuf,
    /// The file of `--config`; it must be there.
    pub file: Option<PathBuf>,
    /// The environment's variables.
    pub environment: Vec<(String, String)>,
}

impl Sources {
    /// This process's working directory and environment, and the file of `--config`. Variables that
    /// are not UTF-8 are left out.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { working_directory: PathBuf::new(), file, environment }
    }
}

/// Reads a configuration.
///
/// # Errors
/// [`ConfigError`] for the first file or variable that cannot be read, names an unknown key or holds
/// a value that is not allowed.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    // What no layer sets has the default of its section.
    let mut merged = Figment::new();
    let default_file = sources.working_directory.join("config").join("default.toml");
    if default_file.is_file() {
        merged = merged.merge(file_layer(&default_file)?);
    }
    if let Some(file) = &sources.file {
        merged = merged.merge(file_layer(file)?);
    }
    for (name, key, value) in variables(&sources.environment)? {
        merged = merged.merge(variable_layer(&name, &key, &value)?);
    }
    merged.extract().map_err(|error| ConfigError::in_layer("configuration", &error))
}

fn file_layer(path: &Path) -> Result<Figment, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let layer = Figment::from(Toml::string(&text));
    checked(layer, &path.display().to_string())
}

/// `value` at `key`, read as a TOML-like value where the key takes one (numbers, true, lists), else as text.
fn variable_layer(name: &str, key: &str, value: &str) -> Result<Figment, ConfigError> {
    let layer = |value: Value| Figment::from(Serialized::defaults(nested(key, value)));
    let as_text = layer(Value::from(value));
    let takes_text = match as_text.extract::<Config>() {
        Ok(_) => return Ok(as_text),
        Err(error) => !matches!(error.kind, figment::error::Kind::InvalidType(..)),
    };
    match value.parse::<Value>() {
        Ok(parsed) if !takes_text => checked(layer(parsed), name),
        _ => checked(as_text, name),
    }
}

fn checked(layer: Figment, place: &str) -> Result<Figment, ConfigError> {
    match layer.extract::<Config>() {
        Ok(_) => Ok(layer),
        Err(error) => Err(ConfigError::in_layer(place, &error)),
    }
}

fn nested(key: &str, value: Value) -> Dict {
    match key.split_once('.') {
        Some((section, rest)) => Dict::from([(section.to_owned(), Value::from(nested(rest, value)))]),
        None => Dict::from([(key.to_owned(), value)]),
    }
}

/// The variables that are ours, in the order they apply: (name, key, value).
fn variables(environment: &[(String, String)]) -> Result<Vec<(String, String, String)>, ConfigError> {
    let mut found = Vec::new();
    for (name, key) in VARIABLES {
        if let Some(value) = variable_or_file(environment, name, key)? {
            found.push(value);
        }
    }
    let mut long: Vec<&str> = environment
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| name.starts_with(LONG_PREFIX))
        .collect();
    long.sort_unstable();
    for name in long {
        let plain = name.strip_suffix("_FILE").filter(|plain| SECRETS.contains(&long_key(plain).as_str()));
        let name = plain.unwrap_or(name);
        found.extend(variable_or_file(environment, name, &long_key(name))?);
    }
    Ok(found)
}

fn long_key(name: &str) -> String {
    name.strip_prefix(LONG_PREFIX).unwrap_or(name).to_lowercase().replace("__", ".")
}

fn variable_or_file(
    environment: &[(String, String)],
    name: &str,
    key: &str,
) -> Result<Option<(String, String, String)>, ConfigError> {
    let value_of = |wanted: &str| environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    if let Some(value) = value_of(name) {
        return Ok(Some((name.to_owned(), key.to_owned(), value.clone())));
    }
    let file_name = format!("{name}_FILE");
    match value_of(&file_name).filter(|_| SECRETS.contains(&key)) {
        None => Ok(None),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Invalid {
                place: file_name.clone(),
                what: format!("{path}: {error}"),
            })?;
            Ok(Some((file_name, key.to_owned(), text.trim_end_matches(['\r', '\n']).to_owned())))
        }
    }
}
