//! What a surface's `config` says about reading and matching, with the defaults of matching.md.

use crate::email::authentication::DkimKeys;
use crate::matching::decide::Policy;
use crate::matching::keys::EMAIL;
use crate::model::JsonMap;
use crate::model::surface::Surface;
use crate::secret::SurfaceTokens;
use serde_json::Value;
use std::collections::BTreeMap;

/// The settings that the pipeline needs of one surface.
#[derive(Debug, Clone)]
pub struct SurfaceSettings {
    /// The surface's type.
    pub kind: String,
    /// Windows of matching.
    pub policy: Policy,
    /// Whether whoever writes in a thread joins it (`match.participantMismatch`).
    pub joins_strangers: bool,
    /// Whether a sender new to a conversation opens one of their own (`match.strangers`).
    pub separates_strangers: bool,
    /// Whether an answer without references is led to the mail that it quotes (`match.repairReferences`).
    pub repairs_references: bool,
    /// Whether mail from one of our own addresses is believed to be ours (`match.trustOwnAddresses`).
    pub trusts_own_addresses: bool,
    /// Our own addresses, lower-cased, without plus tags.
    pub own_addresses: Vec<String>,
    /// The names of receiving servers whose Authentication-Results are believed, lower-cased
    /// (`trustedAuthserv`, one or a list).
    pub trusted_authserv: Vec<String>,
    /// Domains of forwarders whose ARC seals are believed, lower-cased (`trustedSealers`).
    pub trusted_sealers: Vec<String>,
    /// Public keys that signatures are checked with (`dkimKeys`).
    pub dkim_keys: PinnedKeys,
    /// What reply tokens of the surface are read with; `None`: none are.
    pub reply_tokens: Option<SurfaceTokens>,
}

/// TXT records of DKIM keys by name (`selector._domainkey.domain`), as a surface's `dkimKeys` lists them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PinnedKeys(BTreeMap<String, String>);

impl PinnedKeys {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl DkimKeys for PinnedKeys {
    fn record(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl SurfaceSettings {
    /// Reads the settings of `surface`; `mailbox` is its mailbox's configuration, if it has one.
    #[must_use]
    pub fn of(surface: &Surface, mailbox: Option<&JsonMap>) -> Self {
        let matching = surface.config.get("match").and_then(Value::as_object);
        let rule = |name: &str| matching.and_then(|rules| rules.get(name));
        let word = |name: &str| rule(name).and_then(Value::as_str);
        let days = |name: &str, default: i64| rule(name).and_then(Value::as_i64).unwrap_or(default).max(0);
        let default = Policy::default();
        Self {
            kind: surface.kind.clone(),
            policy: Policy {
                reopen_days: days("reopenDays", default.reopen_days),
                window_days: days("windowDays", default.window_days),
            },
            joins_strangers: match word("participantMismatch") {
                Some("join") => true,
                Some("separate") => false,
                _ => surface.is_many_to_many(),
            },
            separates_strangers: word("strangers") == Some("separate"),
            repairs_references: rule("repairReferences").and_then(Value::as_bool).unwrap_or(false),
            trusts_own_addresses: rule("trustOwnAddresses").and_then(Value::as_bool).unwrap_or(false),
            own_addresses: own_addresses(&surface.config, mailbox),
            trusted_authserv: names(surface.config.get("trustedAuthserv")),
            trusted_sealers: names(surface.config.get("trustedSealers")),
            dkim_keys: pinned_keys(surface.config.get("dkimKeys")),
            reply_tokens: None,
        }
    }

    /// The same with the reply tokens of the surface.
    #[must_use]
    pub fn with_reply_tokens(self, tokens: Option<SurfaceTokens>) -> Self {
        Self { reply_tokens: tokens, ..self }
    }

    /// Whether its messages are mails.
    #[must_use]
    pub fn is_email(&self) -> bool {
        self.kind == EMAIL
    }

    /// Whether `address` is one of ours, plus tags folded.
    #[must_use]
    pub fn is_own(&self, address: &str) -> bool {
        let folded = fold(address);
        self.own_addresses.contains(&folded)
    }
}

/// One name or a list of names, lower-cased.
fn names(value: Option<&Value>) -> Vec<String> {
    let listed = value.and_then(Value::as_array).into_iter().flatten();
    let names = listed.chain(value).filter_map(Value::as_str).map(|name| name.trim().to_ascii_lowercase());
    names.filter(|name| !name.is_empty()).collect()
}

fn pinned_keys(value: Option<&Value>) -> PinnedKeys {
    let listed = value.and_then(Value::as_object).into_iter().flatten();
    let key = |(name, record): (&String, &Value)| {
        Some((name.trim_end_matches('.').to_ascii_lowercase(), record.as_str()?.to_owned()))
    };
    PinnedKeys(listed.filter_map(key).collect())
}

fn own_addresses(config: &JsonMap, mailbox: Option<&JsonMap>) -> Vec<String> {
    let listed = config.get("ownAddresses").and_then(Value::as_array).into_iter().flatten();
    let from = mailbox.and_then(|settings| settings.get("fromAddress"));
    let mut addresses: Vec<String> = listed.chain(from).filter_map(Value::as_str).map(fold).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// `Ann+tag@Example.org` is `ann@example.org`.
fn fold(address: &str) -> String {
    let address = address.trim().to_lowercase();
    match address.rsplit_once('@') {
        Some((local, domain)) => {
            let local = local.split('+').next().filter(|part| !part.is_empty()).unwrap_or(local);
            format!("{local}@{domain}")
        }
        None => address,
    }
}
