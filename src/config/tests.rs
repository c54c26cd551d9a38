//! The layers in their order, the words of each error, and `config/default.toml` against the code.

use super::*;
use figment::error::Kind;
use figment::providers::{Format as _, Toml};
use secrecy::ExposeSecret as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const DEFAULT_FILE: &str = include_str!("../../config/default.toml");

fn with(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load(&Sources { environment: owned(variables), ..nowhere() })
}

fn owned(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A working directory without a configuration.
fn nowhere() -> Sources {
    Sources { working_directory: "/nonexistent".into(), ..Sources::default() }
}

fn error_of(variables: &[(&str, &str)]) -> String {
    with(variables).unwrap_err().to_string()
}

fn error_of_file(text: &str) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inlet.toml");
    fs::write(&path, text).unwrap();
    let error = load(&Sources { file: Some(path.clone()), ..nowhere() }).unwrap_err().to_string();
    (path.display().to_string(), error)
}

#[test]
fn without_anything_the_defaults_hold() {
    let config = with(&[]).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.store_url().expose_secret(), "sqlite://./data/inlet.db");
    assert!(!config.network.allow_private_hosts);
}

#[test]
fn clients_are_told_an_address_they_can_reach() {
    let mut server = Server::default();
    for (listener, url) in [
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::]:81", "http://[::1]:81"),
        ("10.0.0.7:80", "http://10.0.0.7:80"),
    ] {
        assert_eq!(server.url_at(listener.parse().unwrap()), url);
    }
    server.public_url =
        with(&[("INLET__SERVER__PUBLIC_URL", "https://inlet.example/")]).unwrap().server.public_url;
    assert_eq!(server.url_at("0.0.0.0:80".parse().unwrap()), "https://inlet.example");
}

#[test]
fn later_layers_win() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("config")).unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write(
        "config/default.toml",
        "[server]\nmax_connections = 1\nbody_timeout_seconds = 11\nshutdown_seconds = 1\n",
    );
    write("mine.toml", "[server]\nmax_connections = 2\nbody_timeout_seconds = 12\n");
    let config = load(&Sources {
        working_directory: directory.path().to_owned(),
        file: Some(directory.path().join("mine.toml")),
        environment: owned(&[("INLET__SERVER__MAX_CONNECTIONS", "3"), ("INLET_LISTEN", "0.0.0.0:1")]),
    })
    .unwrap();
    assert_eq!(
        (config.server.max_connections, config.server.body_timeout_seconds, config.server.shutdown_seconds),
        (3, 12, 1)
    );
    assert_eq!(config.server.header_timeout_seconds, 10);
    assert_eq!(config.server.listen.port(), 1);
}

#[test]
fn every_short_variable_sets_its_key() {
    let key = "0123456789012345678901234567890123456789";
    let config = with(&[
        ("DATABASE_URL", "postgres://u:p@h/d"),
        ("INLET_DATA_DIR", "1234"),
        ("INLET_LISTEN", "[::1]:9"),
        ("INLET_API_KEY", key),
        ("INLET_ENCRYPTION_KEY", "12345678901234567890"),
        ("INLET_ENCRYPTION_KEY_PREVIOUS", "true"),
        ("INLET_LOG", "inlet=debug,warn"),
        ("INLET_LOG_FORMAT", "json"),
    ])
    .unwrap();
    let shown = |secret: &Option<SecretString>| secret.as_ref().map(|s| s.expose_secret().to_owned());
    assert_eq!(config.store_url().expose_secret(), "postgres://u:p@h/d");
    assert_eq!(config.data.dir, Path::new("1234"));
    assert_eq!(config.server.listen.to_string(), "[::1]:9");
    assert_eq!(shown(&config.auth.api_key).as_deref(), Some(key));
    assert_eq!(shown(&config.encryption.key).as_deref(), Some("12345678901234567890"));
    assert_eq!(shown(&config.encryption.previous_key).as_deref(), Some("true"));
    assert_eq!(config.log.filter, "inlet=debug,warn");
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn long_variables_take_numbers_flags_and_lists() {
    let config = with(&[
        ("INLET__NETWORK__ALLOW_PRIVATE_HOSTS", "true"),
        ("INLET__TLS__EXTRA_CA", "[\"/a.pem\", \"/b.pem\"]"),
        ("INLET__SOURCES__RETENTION_DAYS", "7"),
        ("INLET_SERVICE_HOST", "10.0.0.1"),
    ])
    .unwrap();
    assert!(config.network.allow_private_hosts);
    assert_eq!(config.tls.extra_ca.len(), 2);
    assert_eq!(config.sources.retention_days, 7);
}

#[test]
fn secrets_may_stand_in_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    fs::write(&path, "a-key-of-at-least-20-characters\n").unwrap();
    let path = path.display().to_string();
    for name in ["INLET_API_KEY_FILE", "INLET__AUTH__API_KEY_FILE"] {
        let config = with(&[(name, &path)]).unwrap();
        assert_eq!(config.auth.api_key.unwrap().expose_secret(), "a-key-of-at-least-20-characters");
    }
    let error = error_of(&[("INLET_API_KEY_FILE", "/nonexistent/key")]);
    assert!(error.starts_with("INLET_API_KEY_FILE: /nonexistent/key: "), "{error}");
}

#[test]
fn an_unknown_key_names_its_place_and_what_is_allowed() {
    let (path, error) = error_of_file("[server]\nlistn = \"x\"\n");
    assert_eq!(
        error,
        format!(
            "{path}: unknown key `listn` in [server]; allowed are listen, public_url, max_connections, \
             header_timeout_seconds, body_timeout_seconds, api_body_bytes, webhook_body_bytes, \
             shutdown_seconds"
        )
    );
    let (path, error) = error_of_file("[servers]\n");
    assert!(
        error.starts_with(&format!("{path}: unknown section `servers`; allowed are server, ")),
        "{error}"
    );
    let error = error_of(&[("INLET__LOG__COLOUR", "red")]);
    assert_eq!(error, "INLET__LOG__COLOUR: unknown key `colour` in [log]; allowed are filter, format");
}

#[test]
fn a_bad_value_names_its_place_its_key_and_what_is_allowed() {
    for (name, value, expected) in [
        (
            "INLET_LISTEN",
            "8080",
            "INLET_LISTEN: `server.listen`: found \"8080\": an address and port is allowed, such as 127.0.0.1:8080 or [::]:8080",
        ),
        (
            "INLET_LOG_FORMAT",
            "xml",
            "INLET_LOG_FORMAT: `log.format`: found \"xml\"; allowed are auto, text, json",
        ),
        (
            "INLET__SERVER__SHUTDOWN_SECONDS",
            "601",
            "INLET__SERVER__SHUTDOWN_SECONDS: `server.shutdown_seconds`: found unsigned int `601`; allowed is a whole number from 0 to 600",
        ),
        (
            "INLET__SERVER__SHUTDOWN_SECONDS",
            "-1",
            "INLET__SERVER__SHUTDOWN_SECONDS: `server.shutdown_seconds`: found signed int `-1`; allowed is a whole number from 0 to 600",
        ),
        (
            "DATABASE_URL",
            "mysql://root:hunter2@h",
            "DATABASE_URL: `store.url`: a URL is allowed that begins with sqlite:// or postgres://",
        ),
        (
            "INLET_API_KEY",
            "hunter2",
            "INLET_API_KEY: `auth.api_key`: a key of at least 20 characters is allowed",
        ),
    ] {
        assert_eq!(error_of(&[(name, value)]), expected);
    }
    let error = error_of(&[("INLET__NETWORK__ALLOW_PLAINTEXT", "maybe")]);
    assert!(
        error.starts_with("INLET__NETWORK__ALLOW_PLAINTEXT: `network.allow_plaintext`: found "),
        "{error}"
    );
}

#[test]
fn a_file_that_is_no_toml_or_not_there_is_named() {
    let (path, error) = error_of_file("[server\n");
    assert!(error.starts_with(&path), "{error}");
    let error = load(&Sources { file: Some("/nonexistent/x.toml".into()), ..nowhere() }).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/x.toml: "), "{error}");
}

#[test]
fn no_secret_is_shown() {
    let config = with(&[
        ("DATABASE_URL", "postgres://u:canary-1@h/d"),
        ("INLET_API_KEY", "canary-2-canary-2-canary-2"),
        ("INLET_ENCRYPTION_KEY", "canary-3"),
    ])
    .unwrap();
    let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
}

/// The keys that the code takes, by section: serde names them when it refuses a stranger.
fn keys_of_the_code() -> BTreeMap<&'static str, &'static [&'static str]> {
    let allowed = |text: &str| match Figment::from(Toml::string(text)).extract::<Config>() {
        Err(figment::Error { kind: Kind::UnknownField(_, allowed), .. }) => allowed,
        other => panic!("a stranger was let in: {other:?}"),
    };
    use figment::Figment;
    let sections = allowed("[stranger]");
    let header =
        |section: &str| if section == "surfaces" { format!("[[{section}]]") } else { format!("[{section}]") };
    sections
        .iter()
        .map(|section| (*section, allowed(&format!("{}\nstranger = 1", header(section)))))
        .collect()
}

#[test]
fn the_default_file_names_every_key_and_no_other() {
    let mut in_file: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut section = String::new();
    for line in DEFAULT_FILE.lines() {
        if let Some(name) = line.strip_prefix('[').or(line.strip_prefix("# [[")) {
            name.trim_end_matches(']').clone_into(&mut section);
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ") {
            in_file.entry(section.clone()).or_default().push(key.to_owned());
        }
    }
    let in_code: BTreeMap<String, Vec<String>> = keys_of_the_code()
        .into_iter()
        .map(|(section, keys)| (section.to_owned(), keys.iter().map(|key| (*key).to_owned()).collect()))
        .collect();
    assert_eq!(in_file, in_code, "config/default.toml against src/config.rs, in the same order");
}

#[test]
fn the_default_file_holds_the_defaults() {
    let from_file: Config = figment::Figment::from(Toml::string(DEFAULT_FILE)).extract().unwrap();
    let of_code = Config::default();
    assert_eq!(serde_json::to_value(from_file).unwrap(), serde_json::to_value(&of_code).unwrap());
    // What has a default is not hidden behind a comment.
    let shown: toml::Table = toml::from_str(DEFAULT_FILE).unwrap();
    let defaults = serde_json::to_value(&of_code).unwrap();
    for (section, keys) in defaults.as_object().unwrap() {
        for key in keys.as_object().unwrap().keys() {
            assert!(shown[section].get(key).is_some(), "{section}.{key} is commented out");
        }
    }
}

#[test]
fn the_worked_example_loads() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/production.toml");
    let config = load(&Sources { file: Some(file), ..nowhere() }).unwrap();
    assert_eq!(config.store.max_connections, 20);
    assert_eq!(config.log.format, LogFormat::Json);
}
