//! What is wrong with a configuration, in words an operator can act on: where, which key, what is allowed.

use figment::error::Kind;
use std::fmt::Write as _;
use std::path::PathBuf;

/// A configuration that cannot be used. It is reported at start and nothing runs.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named cannot be read.
    #[error("{path}: {source}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An unknown key or a value out of bounds.
    #[error("{place}: {what}")]
    Invalid {
        /// A file or a variable.
        place: String,
        /// The key and what is allowed.
        what: String,
    },
}

impl ConfigError {
    /// Words for what figment found in one layer, of which `place` is the name.
    pub(super) fn in_layer(place: &str, error: &figment::Error) -> Self {
        let path = error.path.join(".");
        let what = match &error.kind {
            Kind::UnknownField(field, allowed) => {
                let section = path.strip_suffix(field.as_str()).unwrap_or(&path).trim_end_matches('.');
                let what = if section.is_empty() { "section" } else { "key" };
                let at = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
                format!("unknown {what} `{field}`{at}; allowed are {}", allowed.join(", "))
            }
            Kind::UnknownVariant(found, allowed) => {
                format!("`{path}`: found \"{found}\"; allowed are {}", allowed.join(", "))
            }
            Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                format!("`{path}`: found {found}; allowed is {expected}")
            }
            other => {
                let mut what = String::new();
                if !path.is_empty() {
                    let _ = write!(what, "`{path}`: ");
                }
                let _ = write!(what, "{other}");
                what
            }
        };
        Self::Invalid { place: place.to_owned(), what }
    }
}
