//! Proof of the sender: one compiled verifier per way that a surface allows, and which inputs each
//! of them authenticates. What is not authenticated never decides identity (checked when loaded).

use super::body::Document;
use super::error::{Fault, Refused};
use super::jwt::Jwt;
use super::request::Received;
use super::settings::{Table, duration_seconds};
use super::signature::{Algorithm, Encoding, Key, Token, standard_webhooks_keys};
use super::signed::Signed;
use super::sns::Sns;
use super::standard::standard_webhooks;
use crate::limits::WEBHOOK_TOLERANCE_SECONDS;
use serde_json::Value;
use std::borrow::Cow;

/// The secrets of a surface, opened.
pub(super) struct Secrets {
    /// In the order given; any of them is accepted.
    pub list: Vec<String>,
    /// The first of the list is the setting `secret`, the others are `secrets`.
    pub has_single: bool,
    /// `username:password`, where the surface has such a pair.
    pub basic: Option<String>,
    /// The public URL of the surface, for schemes that sign it.
    pub public_url: Option<String>,
    /// Our own id with the provider, for tokens that are made out to somebody.
    pub app_id: Option<String>,
    /// Topics of Amazon SNS that are ours.
    pub topics: Vec<String>,
    /// None of these is at hand, and how they are used is checked in form alone.
    pub in_form: bool,
}

impl Secrets {
    /// None at all, to check in form how they would be used.
    pub fn none() -> Self {
        Self {
            list: Vec::new(),
            has_single: false,
            basic: None,
            public_url: None,
            app_id: None,
            topics: Vec::new(),
            in_form: true,
        }
    }

    /// The setting that the secret at `position` is.
    pub fn key(&self, position: usize) -> String {
        secret_key(self.has_single, position)
    }
}

/// One way to prove who sent a request.
#[derive(Debug)]
pub(super) struct Verifier {
    scheme: Scheme,
    once: Option<Box<str>>,
    /// A preset vouches that its one-time token stands in for a signed body.
    trusts_body: bool,
}

#[derive(Debug)]
enum Scheme {
    Signed(Box<Signed>),
    /// Standard Webhooks 1.0.0, and the older `svix-` spelling of its headers.
    StandardWebhooks {
        keys: Vec<Key>,
        tolerance_seconds: i64,
    },
    /// The secret itself, somewhere in the request.
    Static {
        place: Place,
        prefix: Box<str>,
        tokens: Vec<Token>,
    },
    /// RFC 7617.
    Basic {
        tokens: Vec<Token>,
    },
    Jwt(Box<Jwt>),
    Sns(Sns),
    Unsigned,
}

/// Where in a request a proof or a timestamp is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Header(Box<str>),
    Query(Box<str>),
    Body(Box<str>),
}

/// What a proof says beyond "yes".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// A token that may be used for one body only.
    pub once: Option<String>,
    /// The position of the key that proved it, for logs; none where there are no keys of ours.
    pub key: Option<usize>,
}

impl Place {
    /// `header:NAME`, `query:NAME` or `body:/pointer`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("header", name) if !name.is_empty() => Some(Self::Header(name.into())),
            ("query", name) if !name.is_empty() => Some(Self::Query(name.into())),
            ("body", pointer) if pointer.starts_with('/') => Some(Self::Body(pointer.into())),
            _ => None,
        }
    }

    pub fn read<'a>(&self, request: &Received<'a>, document: Option<&'a Document>) -> Option<Cow<'a, str>> {
        match self {
            Self::Header(name) => request.headers.get(name).map(Cow::Borrowed),
            Self::Query(name) => request.query_value(name),
            Self::Body(pointer) => match document?.value()?.pointer(pointer)? {
                Value::String(text) => Some(Cow::Borrowed(text.as_str())),
                Value::Number(number) => Some(Cow::Owned(number.to_string())),
                _ => None,
            },
        }
        .filter(|text| !text.is_empty())
    }
}

impl Verifier {
    /// A surface that takes anybody's word, because it says so itself.
    pub fn unsigned() -> Self {
        Self { scheme: Scheme::Unsigned, once: None, trusts_body: true }
    }

    /// Compiles one `verify` object. `preset` says that we wrote it.
    pub fn compile(table: &Table<'_>, secrets: &Secrets, preset: bool) -> Result<Self, Fault> {
        let kinds = [
            ("hmac-sha1", Kind::Signed(Algorithm::HmacSha1)),
            ("hmac-sha256", Kind::Signed(Algorithm::HmacSha256)),
            ("hmac-sha512", Kind::Signed(Algorithm::HmacSha512)),
            ("ed25519", Kind::Signed(Algorithm::Ed25519)),
            ("rsa-sha256", Kind::Signed(Algorithm::Rsa)),
            ("ecdsa-p256-sha256", Kind::Signed(Algorithm::P256)),
            ("jwt", Kind::Jwt),
            ("sns", Kind::Sns),
            ("static", Kind::Static),
            ("basic", Kind::Basic),
            ("standard-webhooks", Kind::StandardWebhooks),
            ("none", Kind::None),
        ];
        let kind = table.word("scheme", &kinds)?.ok_or_else(|| table.fault("scheme", "is required"))?;
        let (mut once, mut trusts_body) = (None, false);
        let scheme = match kind {
            Kind::Signed(algorithm) => {
                if preset {
                    once = table.text("once")?.map(Into::into);
                    trusts_body = table.flag("trustBody")?;
                }
                Scheme::Signed(Box::new(Signed::compile(table, algorithm, secrets)?))
            }
            Kind::Static => Scheme::Static {
                place: place(table)?,
                prefix: table.text("prefix")?.unwrap_or_default().into(),
                tokens: tokens(secrets, &secrets.list)?,
            },
            Kind::Basic => {
                let pairs: Vec<String> = secrets.list.iter().chain(&secrets.basic).cloned().collect();
                if let Some(position) = pairs.iter().position(|pair| !pair.contains(':')) {
                    return Err(Fault::new(
                        secrets.key(position),
                        "must be `username:password` for scheme basic",
                    ));
                }
                Scheme::Basic { tokens: tokens(secrets, &pairs)? }
            }
            Kind::StandardWebhooks => Scheme::StandardWebhooks {
                keys: every_key(secrets, standard_webhooks_keys)?,
                tolerance_seconds: tolerance(table)?,
            },
            Kind::Jwt => {
                if preset {
                    trusts_body = table.flag("trustBody")?;
                }
                Scheme::Jwt(Box::new(Jwt::compile(table, secrets)?))
            }
            Kind::Sns => Scheme::Sns(Sns::compile(table, secrets)?),
            Kind::None => Scheme::Unsigned,
        };
        table.finish()?;
        trusts_body |= matches!(kind, Kind::None);
        Ok(Self { scheme, once, trusts_body })
    }

    /// Whether it lets everything pass.
    pub fn is_unsigned(&self) -> bool {
        matches!(self.scheme, Scheme::Unsigned)
    }

    /// Whether the body has to be read before the proof can be checked.
    pub fn needs_document(&self) -> bool {
        match &self.scheme {
            Scheme::Signed(signed) => signed.needs_document() || self.once.is_some(),
            Scheme::Static { place, .. } => matches!(place, Place::Body(_)),
            Scheme::Sns(_) => true,
            _ => false,
        }
    }

    /// Whether a sender without the secret could not have written the body.
    pub fn authenticates_body(&self) -> bool {
        match &self.scheme {
            Scheme::Signed(signed) => self.trusts_body || signed.template().covers_body(),
            Scheme::Jwt(jwt) => self.trusts_body || jwt.covers_body(),
            _ => true,
        }
    }

    /// The same for a header. Whoever holds a static secret sends the whole request.
    pub fn authenticates_header(&self, name: &str) -> bool {
        match &self.scheme {
            Scheme::Signed(signed) => signed.template().covers_header(name),
            Scheme::StandardWebhooks { .. } => {
                ["webhook-id", "webhook-timestamp", "svix-id", "svix-timestamp"]
                    .iter()
                    .any(|signed| signed.eq_ignore_ascii_case(name))
            }
            Scheme::Jwt(_) | Scheme::Sns(_) => false,
            _ => true,
        }
    }

    /// The same for the query.
    pub fn authenticates_query(&self) -> bool {
        match &self.scheme {
            Scheme::Signed(signed) => signed.template().covers_url(),
            Scheme::StandardWebhooks { .. } | Scheme::Sns(_) => false,
            Scheme::Jwt(jwt) => jwt.covers_url(),
            _ => true,
        }
    }

    /// Whether it is checked by keys that the provider publishes.
    pub fn takes_keys(&self) -> bool {
        match &self.scheme {
            Scheme::Jwt(jwt) => jwt.keys_address().is_some(),
            Scheme::Sns(_) => true,
            _ => false,
        }
    }

    /// Where the provider's public keys are that this request is checked by.
    pub fn keys_address(&self, document: Option<&Document>) -> Option<String> {
        match &self.scheme {
            Scheme::Jwt(jwt) => jwt.keys_address().map(str::to_owned),
            Scheme::Sns(sns) => document.and_then(|document| sns.key_address(document)),
            _ => None,
        }
    }

    /// Checks one request; `keys` is what stands at [`Self::keys_address`].
    pub fn check(
        &self,
        request: &Received<'_>,
        document: Option<&Document>,
        keys: Option<&[u8]>,
    ) -> Result<Verified, Refused> {
        let key = match &self.scheme {
            Scheme::Unsigned => None,
            Scheme::Jwt(jwt) => jwt.check(request, keys).map(|()| None)?,
            Scheme::Sns(sns) => sns.check(request, document, keys).map(|()| None)?,
            Scheme::Signed(signed) => Some(signed.check(request, document)?),
            Scheme::StandardWebhooks { keys, tolerance_seconds } => {
                Some(standard_webhooks(request, keys, *tolerance_seconds)?)
            }
            Scheme::Static { place, prefix, tokens } => {
                let given = place.read(request, document).ok_or(Refused::Missing)?;
                let given = strip(&given, prefix).ok_or(Refused::Missing)?;
                Some(any(tokens, |token| token.equals(given.as_bytes()))?)
            }
            Scheme::Basic { tokens } => {
                let given = request.headers.get("authorization").ok_or(Refused::Missing)?;
                let coded = strip(given, "Basic ").ok_or(Refused::Missing)?;
                let pair = Encoding::Base64.decode(coded.trim()).ok_or(Refused::Missing)?;
                Some(any(tokens, |token| token.equals(&pair))?)
            }
        };
        let once = match &self.once {
            Some(pointer) => {
                let place = Place::Body(pointer.clone());
                Some(place.read(request, document).ok_or(Refused::Missing)?.into_owned())
            }
            None => None,
        };
        Ok(Verified { once, key })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Signed(Algorithm),
    Static,
    Basic,
    StandardWebhooks,
    Jwt,
    Sns,
    None,
}

/// Where a surface's secret stands: `secret` comes before `secrets`.
pub(super) fn secret_key(has_single: bool, position: usize) -> String {
    match position.checked_sub(usize::from(has_single)) {
        None => "inbound.secret".to_owned(),
        Some(position) => format!("inbound.secrets[{position}]"),
    }
}

/// The position of the key that fits. Every key is tried, whichever it is: the time does not tell which
/// secret it was.
pub(super) fn any<K>(keys: &[K], mut fits: impl FnMut(&K) -> bool) -> Result<usize, Refused> {
    let mut found = None;
    for (position, key) in keys.iter().enumerate() {
        found = if fits(key) { Some(position) } else { found };
    }
    found.ok_or(Refused::Mismatch)
}

/// `text` behind `prefix`, whose case does not matter (`Bearer`, `SHA256=`).
pub(super) fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    (head.eq_ignore_ascii_case(prefix) && !tail.is_empty()).then_some(tail)
}

pub(super) fn every_key(
    secrets: &Secrets,
    make: impl Fn(&str) -> Result<Vec<Key>, &'static str>,
) -> Result<Vec<Key>, Fault> {
    let mut keys = Vec::new();
    for (position, secret) in secrets.list.iter().enumerate() {
        keys.extend(make(secret).map_err(|problem| Fault::new(secrets.key(position), problem))?);
    }
    if keys.is_empty() && !secrets.in_form {
        return Err(Fault::new("inbound.secret", "is required for this scheme"));
    }
    Ok(keys)
}

fn tokens(secrets: &Secrets, list: &[String]) -> Result<Vec<Token>, Fault> {
    if list.is_empty() && !secrets.in_form {
        return Err(Fault::new("inbound.secret", "is required for this scheme"));
    }
    Ok(list.iter().map(|secret| Token::new(secret.as_bytes())).collect())
}

pub(super) fn tolerance(table: &Table<'_>) -> Result<i64, Fault> {
    table
        .value("tolerance")
        .map_or(Ok(WEBHOOK_TOLERANCE_SECONDS), |value| duration_seconds(&table.at("tolerance"), value))
}

/// `header = NAME`, or `from = "query:NAME"` and the like where the proof is elsewhere.
pub(super) fn place(table: &Table<'_>) -> Result<Place, Fault> {
    match (table.text("header")?, table.text("from")?) {
        (Some(name), None) if !name.is_empty() => Ok(Place::Header(name.into())),
        (None, Some(from)) => Place::parse(from)
            .ok_or_else(|| table.fault("from", "must be header:NAME, query:NAME or body:/json/pointer")),
        (Some(_), Some(_)) => Err(table.fault("from", "and header exclude each other")),
        _ => Err(table.fault("header", "is required: the header that carries the proof")),
    }
}
