//! Proof of the sender: one compiled verifier per way that a surface allows, and which inputs each
//! of them authenticates. What is not authenticated never decides identity (checked when loaded).

use super::body::Document;
use super::error::{Fault, Refused};
use super::request::Received;
use super::settings::{Table, duration_seconds};
use super::signature::{Algorithm, Encoding, Key, Token, standard_webhooks_keys};
use super::template::Template;
use crate::limits::WEBHOOK_TOLERANCE_SECONDS;
use ring::digest;
use serde_json::Value;
use std::borrow::Cow;

/// The secrets of a surface, opened.
pub(super) struct Secrets {
    /// In the order given; any of them is accepted.
    pub list: Vec<String>,
    /// `username:password`, where the surface has such a pair.
    pub basic: Option<String>,
    /// The public URL of the surface, for schemes that sign it.
    pub public_url: Option<String>,
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
    Unsigned,
}

#[derive(Debug)]
struct Signed {
    place: Place,
    prefix: Box<str>,
    separator: Option<Box<str>>,
    encoding: Encoding,
    template: Template,
    keys: Vec<Key>,
    timestamp: Option<Stamp>,
    public_url: Option<Box<str>>,
}

/// Where in a request a proof or a timestamp is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Header(Box<str>),
    Query(Box<str>),
    Body(Box<str>),
}

#[derive(Debug)]
struct Stamp {
    place: Place,
    prefix: Box<str>,
    milliseconds: bool,
    tolerance_seconds: i64,
}

/// What a proof says beyond "yes".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// A token that may be used for one body only.
    pub once: Option<String>,
}

impl Place {
    /// `header:NAME`, `query:NAME` or `body:/pointer`.
    fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("header", name) if !name.is_empty() => Some(Self::Header(name.into())),
            ("query", name) if !name.is_empty() => Some(Self::Query(name.into())),
            ("body", pointer) if pointer.starts_with('/') => Some(Self::Body(pointer.into())),
            _ => None,
        }
    }

    fn read<'a>(&self, request: &Received<'a>, document: Option<&'a Document>) -> Option<Cow<'a, str>> {
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
                Scheme::Signed(Box::new(signed(table, algorithm, secrets)?))
            }
            Kind::Static => Scheme::Static {
                place: place(table)?,
                prefix: table.text("prefix")?.unwrap_or_default().into(),
                tokens: tokens(&secrets.list)?,
            },
            Kind::Basic => {
                let pairs: Vec<String> = secrets.list.iter().chain(&secrets.basic).cloned().collect();
                if let Some(position) = pairs.iter().position(|pair| !pair.contains(':')) {
                    return Err(Fault::new(
                        secret_key(position),
                        "must be `username:password` for scheme basic",
                    ));
                }
                Scheme::Basic { tokens: tokens(&pairs)? }
            }
            Kind::StandardWebhooks => Scheme::StandardWebhooks {
                keys: every_key(&secrets.list, standard_webhooks_keys)?,
                tolerance_seconds: tolerance(table)?,
            },
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
        let in_body = |place: &Place| matches!(place, Place::Body(_));
        match &self.scheme {
            Scheme::Signed(signed) => {
                signed.template.needs_document()
                    || in_body(&signed.place)
                    || signed.timestamp.as_ref().is_some_and(|stamp| in_body(&stamp.place))
                    || self.once.is_some()
            }
            Scheme::Static { place, .. } => in_body(place),
            _ => false,
        }
    }

    /// Whether a sender without the secret could not have written the body.
    pub fn authenticates_body(&self) -> bool {
        match &self.scheme {
            Scheme::Signed(signed) => self.trusts_body || signed.template.covers_body(),
            _ => true,
        }
    }

    /// The same for a header. Whoever holds a static secret sends the whole request.
    pub fn authenticates_header(&self, name: &str) -> bool {
        match &self.scheme {
            Scheme::Signed(signed) => signed.template.covers_header(name),
            Scheme::StandardWebhooks { .. } => {
                ["webhook-id", "webhook-timestamp", "svix-id", "svix-timestamp"]
                    .iter()
                    .any(|signed| signed.eq_ignore_ascii_case(name))
            }
            _ => true,
        }
    }

    /// The same for the query.
    pub fn authenticates_query(&self) -> bool {
        match &self.scheme {
            Scheme::Signed(signed) => signed.template.covers_url(),
            Scheme::StandardWebhooks { .. } => false,
            _ => true,
        }
    }

    /// Checks one request.
    pub fn check(&self, request: &Received<'_>, document: Option<&Document>) -> Result<Verified, Refused> {
        match &self.scheme {
            Scheme::Unsigned => {}
            Scheme::Signed(signed) => signed.check(request, document)?,
            Scheme::StandardWebhooks { keys, tolerance_seconds } => {
                standard_webhooks(request, keys, *tolerance_seconds)?;
            }
            Scheme::Static { place, prefix, tokens } => {
                let given = place.read(request, document).ok_or(Refused::Missing)?;
                let given = strip(&given, prefix).ok_or(Refused::Missing)?;
                any(tokens, |token| token.equals(given.as_bytes()))?;
            }
            Scheme::Basic { tokens } => {
                let given = request.headers.get("authorization").ok_or(Refused::Missing)?;
                let coded = strip(given, "Basic ").ok_or(Refused::Missing)?;
                let pair = Encoding::Base64.decode(coded.trim()).ok_or(Refused::Missing)?;
                any(tokens, |token| token.equals(&pair))?;
            }
        }
        let once = match &self.once {
            Some(pointer) => {
                let place = Place::Body(pointer.clone());
                Some(place.read(request, document).ok_or(Refused::Missing)?.into_owned())
            }
            None => None,
        };
        Ok(Verified { once })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Signed(Algorithm),
    Static,
    Basic,
    StandardWebhooks,
    None,
}

fn secret_key(position: usize) -> String {
    format!("inbound.secrets[{position}]")
}

/// Every key is tried, whichever fits: the time does not tell which secret it was.
fn any<K>(keys: &[K], mut fits: impl FnMut(&K) -> bool) -> Result<(), Refused> {
    if keys.iter().fold(false, |found, key| fits(key) | found) { Ok(()) } else { Err(Refused::Mismatch) }
}

/// `text` behind `prefix`, whose case does not matter (`Bearer`, `SHA256=`).
fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    (head.eq_ignore_ascii_case(prefix) && !tail.is_empty()).then_some(tail)
}

fn every_key(
    secrets: &[String],
    make: impl Fn(&str) -> Result<Vec<Key>, &'static str>,
) -> Result<Vec<Key>, Fault> {
    let mut keys = Vec::new();
    for (position, secret) in secrets.iter().enumerate() {
        keys.extend(make(secret).map_err(|problem| Fault::new(secret_key(position), problem))?);
    }
    if keys.is_empty() {
        return Err(Fault::new("inbound.secret", "is required for this scheme"));
    }
    Ok(keys)
}

fn tokens(secrets: &[String]) -> Result<Vec<Token>, Fault> {
    if secrets.is_empty() {
        return Err(Fault::new("inbound.secret", "is required for this scheme"));
    }
    Ok(secrets.iter().map(|secret| Token::new(secret.as_bytes())).collect())
}

fn tolerance(table: &Table<'_>) -> Result<i64, Fault> {
    table
        .value("tolerance")
        .map_or(Ok(WEBHOOK_TOLERANCE_SECONDS), |value| duration_seconds(&table.at("tolerance"), value))
}

/// `header = NAME`, or `from = "query:NAME"` and the like where the proof is elsewhere.
fn place(table: &Table<'_>) -> Result<Place, Fault> {
    match (table.text("header")?, table.text("from")?) {
        (Some(name), None) if !name.is_empty() => Ok(Place::Header(name.into())),
        (None, Some(from)) => Place::parse(from)
            .ok_or_else(|| table.fault("from", "must be header:NAME, query:NAME or body:/json/pointer")),
        (Some(_), Some(_)) => Err(table.fault("from", "and header exclude each other")),
        _ => Err(table.fault("header", "is required: the header that carries the proof")),
    }
}

fn signed(table: &Table<'_>, algorithm: Algorithm, secrets: &Secrets) -> Result<Signed, Fault> {
    let template = Template::parse(table.text("signed")?.unwrap_or("{raw}"))
        .map_err(|problem| table.fault("signed", problem))?;
    let timestamp = table.table("timestamp")?.map(|table| stamp(&table)).transpose()?;
    match &timestamp {
        None if template.covers_timestamp() => {
            return Err(table.fault("timestamp", "is required: `signed` uses {timestamp}"));
        }
        Some(stamp) if !stamp.is_signed(&template) => {
            return Err(table.fault("signed", "must cover the timestamp, else it proves nothing"));
        }
        _ => {}
    }
    if template.covers_url() && secrets.public_url.is_none() {
        return Err(Fault::new(
            "inbound.publicUrl",
            "is required: the signature covers the URL as the sender knows it",
        ));
    }
    let encodings = [("hex", Encoding::Hex), ("base64", Encoding::Base64)];
    Ok(Signed {
        place: place(table)?,
        prefix: table.text("prefix")?.unwrap_or_default().into(),
        separator: table.text("separator")?.filter(|text| !text.is_empty()).map(Into::into),
        encoding: table.word("encoding", &encodings)?.unwrap_or(Encoding::Hex),
        template,
        keys: every_key(&secrets.list, |secret| Ok(vec![Key::new(algorithm, secret.as_bytes())?]))?,
        timestamp,
        public_url: secrets.public_url.as_deref().map(Into::into),
    })
}

fn stamp(table: &Table<'_>) -> Result<Stamp, Fault> {
    let from = table.required_text("from")?;
    let place = Place::parse(from)
        .filter(|place| !matches!(place, Place::Query(_)))
        .ok_or_else(|| table.fault("from", "must be header:NAME or body:/json/pointer"))?;
    let made = Stamp {
        place,
        prefix: table.text("prefix")?.unwrap_or_default().into(),
        milliseconds: table.word("unit", &[("s", false), ("ms", true)])?.unwrap_or(false),
        tolerance_seconds: tolerance(table)?,
    };
    table.finish()?;
    Ok(made)
}

impl Stamp {
    fn is_signed(&self, template: &Template) -> bool {
        template.covers_timestamp()
            || match &self.place {
                Place::Header(name) => template.covers_header(name),
                Place::Body(pointer) => template.covers_pointer(pointer),
                Place::Query(_) => template.covers_url(),
            }
    }
}

/// Whether a timestamp is near enough, on either side. Every number is taken without overflow.
fn is_fresh(text: &str, milliseconds: bool, now: jiff::Timestamp, tolerance_seconds: i64) -> bool {
    // `i64::from_str` takes a plus sign; no provider writes one.
    if text.starts_with('+') {
        return false;
    }
    let Ok(stamp) = text.parse::<i64>() else { return false };
    let (now, tolerance) = if milliseconds {
        (now.as_millisecond(), tolerance_seconds.saturating_mul(1_000))
    } else {
        (now.as_second(), tolerance_seconds)
    };
    stamp.abs_diff(now) <= tolerance.unsigned_abs()
}

/// Parts of a header like `t=1,v1=abc` that begin with `prefix`; without a separator the whole value.
fn candidates<'a>(
    value: &'a str,
    separator: Option<&'a str>,
    prefix: &'a str,
) -> impl Iterator<Item = &'a str> {
    // Without a separator the cut never matches: a NUL cannot stand in a header.
    value.split(separator.unwrap_or("\0")).take(16).filter_map(move |part| strip(part.trim(), prefix))
}

impl Signed {
    fn check(&self, request: &Received<'_>, document: Option<&Document>) -> Result<(), Refused> {
        let separator = self.separator.as_deref();
        let given = self.place.read(request, document).ok_or(Refused::Missing)?;
        let proofs: Vec<Vec<u8>> = candidates(&given, separator, &self.prefix)
            .filter_map(|text| self.encoding.decode(text))
            .collect();
        if proofs.is_empty() {
            return Err(Refused::Missing);
        }
        let timestamp = match &self.timestamp {
            None => None,
            Some(stamp) => {
                let text = stamp.place.read(request, document).ok_or(Refused::Missing)?;
                let text =
                    candidates(&text, separator, &stamp.prefix).next().ok_or(Refused::Missing)?.to_owned();
                if !is_fresh(&text, stamp.milliseconds, request.received_at, stamp.tolerance_seconds) {
                    return Err(Refused::Stale);
                }
                Some(text)
            }
        };
        let form = document.filter(|document| document.is_form()).and_then(Document::value);
        if self.template.covers_params() && form.is_none() && !body_hash_fits(request) {
            return Err(Refused::Mismatch);
        }
        let document = if self.template.covers_params() { form } else { document.and_then(Document::value) };
        let urls = self.urls(request);
        let bodies: &[&[u8]] = if request.wire.as_ptr() == request.body.as_ptr() {
            &[request.body]
        } else {
            &[request.wire, request.body]
        };
        let mut found = false;
        for url in &urls {
            for raw in bodies {
                let pieces = self
                    .template
                    .render(request, raw, url, timestamp.as_deref(), document)
                    .ok_or(Refused::Missing)?;
                let pieces: Vec<&[u8]> = pieces.iter().map(AsRef::as_ref).collect();
                for proof in &proofs {
                    found |= any(&self.keys, |key| key.verifies(&pieces, proof)).is_ok();
                }
            }
        }
        if found { Ok(()) } else { Err(Refused::Mismatch) }
    }

    /// The spellings under which the sender may know our URL: as configured, with the path and the
    /// query of this request where the setting has none, and each with and without the default port.
    fn urls(&self, request: &Received<'_>) -> Vec<String> {
        if !self.template.covers_url() {
            return vec![String::new()];
        }
        let configured = self.public_url.as_deref().unwrap_or_default();
        let (scheme, rest) = configured.split_once("://").unwrap_or(("https", configured));
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at_checked(at).unwrap_or((rest, "")),
            None => (rest, ""),
        };
        let mut tails = vec![path.to_owned()];
        if matches!(path, "" | "/") {
            tails = vec![request.target.to_owned()];
        } else if !path.contains('?') && !request.query().is_empty() {
            tails.insert(0, format!("{path}?{}", request.query()));
        }
        let port = if scheme == "http" { ":80" } else { ":443" };
        let bare = authority.strip_suffix(port).unwrap_or(authority);
        let has_port =
            bare.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let mut urls = Vec::new();
        for tail in tails {
            urls.push(format!("{scheme}://{bare}{tail}"));
            if !has_port {
                urls.push(format!("{scheme}://{bare}{port}{tail}"));
            }
        }
        urls
    }
}

/// Twilio signs the URL alone for bodies that are no form, and puts the body's SHA-256 into it.
fn body_hash_fits(request: &Received<'_>) -> bool {
    request
        .query_value("bodySHA256")
        .and_then(|text| Encoding::Hex.decode(&text))
        .is_some_and(|given| given == digest::digest(&digest::SHA256, request.body).as_ref())
}

/// Standard Webhooks 1.0.0, "Verifying webhook authenticity": `id.timestamp.body`, a list of
/// signatures, each with its version.
fn standard_webhooks(request: &Received<'_>, keys: &[Key], tolerance_seconds: i64) -> Result<(), Refused> {
    let family = if request.headers.get("webhook-signature").is_some() { "webhook" } else { "svix" };
    let (id, stamp, proof) = match family {
        "webhook" => ("webhook-id", "webhook-timestamp", "webhook-signature"),
        _ => ("svix-id", "svix-timestamp", "svix-signature"),
    };
    let get =
        |name| request.headers.get(name).filter(|value: &&str| !value.is_empty()).ok_or(Refused::Missing);
    let (id, stamp, given) = (get(id)?, get(stamp)?, get(proof)?);
    if !is_fresh(stamp, false, request.received_at, tolerance_seconds) {
        return Err(Refused::Stale);
    }
    let proofs: Vec<(bool, Vec<u8>)> = given
        .split(' ')
        .take(16)
        .filter_map(|part| part.split_once(','))
        .filter(|(version, _)| matches!(*version, "v1" | "v1a"))
        .filter_map(|(version, text)| Some((version == "v1a", Encoding::Base64.decode(text)?)))
        .collect();
    if proofs.is_empty() {
        return Err(Refused::Missing);
    }
    let mut found = false;
    let same = request.wire.as_ptr() == request.body.as_ptr();
    for raw in [request.body, request.wire].into_iter().take(if same { 1 } else { 2 }) {
        let pieces = [id.as_bytes(), b".", stamp.as_bytes(), b".", raw];
        for (is_public_key, proof) in &proofs {
            let fits =
                |key: &Key| matches!(key, Key::Ed25519(_)) == *is_public_key && key.verifies(&pieces, proof);
            found |= any(keys, fits).is_ok();
        }
    }
    if found { Ok(()) } else { Err(Refused::Mismatch) }
}
