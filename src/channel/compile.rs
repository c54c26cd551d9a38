//! From a surface's `inbound` settings to a [`Channel`]: everything is checked here, once, so that a
//! request finds nothing left to go wrong but itself.

use super::answer::Answer;
use super::condition::Condition;
use super::error::{Fault, SpecError};
use super::fallbacks::Fallbacks;
use super::handshake::Handshake;
use super::map::Map;
use super::media::Media;
use super::network::Network;
use super::preset;
use super::proofs::{Purpose, secrets, verifiers};
use super::selectors::Selector;
use super::settings::Table;
use super::verify::Verifier;
use crate::limits::WEBHOOK_BODY_BYTES;
use crate::model::JsonMap;
use serde_json::Value;

/// What a surface does with webhooks. Immutable; shared between requests.
#[derive(Debug)]
pub struct Channel {
    pub(super) provider: String,
    pub(super) verifiers: Vec<Verifier>,
    pub(super) handshakes: Vec<Handshake>,
    pub(super) shape: Shape,
    pub(super) delivery_id: Option<Fallbacks>,
    pub(super) answer: Answer,
    pub(super) limits: Limits,
    pub(super) media: Media,
    pub(super) kept_headers: Vec<Box<str>>,
    pub(super) kept_query: Vec<Box<str>>,
    pub(super) warnings: Vec<String>,
    pub(super) retries_unsigned: bool,
    pub(super) confirms: bool,
    takes_query: bool,
}

/// How bodies are read.
#[derive(Debug)]
pub(super) enum Shape {
    Generic,
    Mapped {
        maps: Vec<Map>,
        recognized: Vec<Condition>,
        unwrap: Option<String>,
        open: Vec<String>,
        accounts: Vec<String>,
    },
}

/// What a surface lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Body in bytes, compressed or not.
    pub body_bytes: usize,
    /// Requests a minute, if bounded.
    pub requests_per_minute: Option<u32>,
    /// Sender addresses; empty means any.
    pub allow: Vec<Network>,
}

impl Channel {
    /// Compiles `inbound`, its secrets opened, of the surface called `surface`.
    ///
    /// # Errors
    /// [`SpecError`] with the key at fault.
    pub fn compile(surface: &str, inbound: &JsonMap) -> Result<Self, SpecError> {
        of_surface(inbound, Purpose::Requests).map_err(|fault| fault.of(surface))
    }

    /// The same to try payloads by: nobody proves them, so that the secrets may be missing. Whatever the settings say
    /// of proofs is checked in form.
    ///
    /// # Errors
    /// [`SpecError`] with the key at fault.
    pub fn compile_for_trial(surface: &str, inbound: &JsonMap) -> Result<Self, SpecError> {
        of_surface(inbound, Purpose::Trial).map_err(|fault| fault.of(surface))
    }

    /// A preset that is not built in, to try payloads by; `name` is what errors call it.
    ///
    /// # Errors
    /// [`SpecError`] with the key at fault.
    pub fn compile_preset_for_trial(name: &str, preset: &JsonMap) -> Result<Self, SpecError> {
        let nothing = JsonMap::new();
        let (table, base) = (Table::new("inbound", &nothing), Table::new("inbound", preset));
        compile("custom", &table, &base, Purpose::Trial).map_err(|fault| fault.of(name))
    }

    /// The provider's name.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What this surface lets in.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What an accepted request is answered.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// How the bytes of attachments are fetched that came without them.
    #[must_use]
    pub fn media(&self) -> &Media {
        &self.media
    }

    /// Whether the provider sends messages by GET, in the query, which is read as a form then.
    #[must_use]
    pub fn takes_query(&self) -> bool {
        self.takes_query
    }

    /// Things that work but that an operator should know of.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether the sender writes our own body, so that a mistake is answered (422), not kept.
    #[must_use]
    pub fn answers_mistakes(&self) -> bool {
        matches!(self.shape, Shape::Generic)
    }

    /// Headers that the mapping reads, for [`super::allowed_headers`].
    #[must_use]
    pub fn kept_headers(&self) -> &[Box<str>] {
        &self.kept_headers
    }

    /// Query parameters that the mapping reads.
    #[must_use]
    pub fn kept_query(&self) -> &[Box<str>] {
        &self.kept_query
    }
}

fn of_surface(inbound: &JsonMap, purpose: Purpose) -> Result<Channel, Fault> {
    let table = Table::new("inbound", inbound);
    let provider = match table.text("provider")? {
        Some(name) => name,
        None if inbound.contains_key("map") => "custom",
        None => "inlet",
    };
    let preset = preset::load(provider)?;
    compile(provider, &table, &Table::new(format!("preset {provider}"), &preset), purpose)
}

fn compile(provider: &str, table: &Table<'_>, base: &Table<'_>, purpose: Purpose) -> Result<Channel, Fault> {
    let secrets = secrets(table, base.flag("issued")?)?;
    let verify_token = table.text("verifyToken")?.filter(|token| !token.is_empty());
    let verifiers = verifiers(table, base, &secrets, purpose)?;
    let mut answer = Answer::default();
    for table in [base.table("answer")?, table.table("answer")?].into_iter().flatten() {
        answer.compile(&table)?;
    }
    let handshakes = chosen(table, base, "handshake")?
        .iter()
        .map(|table| Handshake::compile(table, verify_token))
        .collect::<Result<Vec<_>, _>>()?;
    let is_own = table.value("handshake").is_some();
    if is_own
        && verify_token.is_none()
        && purpose == Purpose::Requests
        && handshakes.iter().any(Handshake::compares_token)
    {
        return Err(table.fault("verifyToken", "is required: `handshake.token` is compared with it"));
    }
    let delivery_id = Fallbacks::optional(base, "deliveryId")?;
    let shape = shape(table, base)?;
    let limits = limits(table)?;
    let (retries_unsigned, confirms) = (base.flag("retryUnsigned")?, base.flag("confirms")?);
    let takes_query = base.flag("takesQuery")?;
    let media = Media::compile(table, base, secrets.list.first().map(String::as_str))?;
    table.finish()?;
    base.finish()?;
    let mut channel = Channel {
        provider: provider.to_owned(),
        verifiers,
        handshakes,
        shape,
        delivery_id,
        answer,
        limits,
        media,
        kept_headers: Vec::new(),
        kept_query: Vec::new(),
        warnings: Vec::new(),
        retries_unsigned,
        confirms,
        takes_query,
    };
    channel.check_identity(table.value("map").is_some())?;
    channel.note();
    Ok(channel)
}

/// The tables of `key` in the surface's settings, else in the preset's.
fn chosen<'a>(table: &Table<'a>, base: &Table<'a>, key: &'static str) -> Result<Vec<Table<'a>>, Fault> {
    let (own, preset) = (table.tables(key)?, base.tables(key)?);
    Ok(if own.is_empty() { preset } else { own })
}

fn shape(table: &Table<'_>, base: &Table<'_>) -> Result<Shape, Fault> {
    let is_generic = base.word("body", &[("generic", ())])?.is_some();
    let maps = chosen(table, base, "map")?;
    let recognized = chosen(table, base, "recognize")?;
    let unwrap = match (table.text("unwrap")?, base.text("unwrap")?) {
        (Some(own), _) => Some(own),
        (None, preset) => preset,
    };
    if unwrap.is_some_and(|pointer| !pointer.starts_with('/')) {
        return Err(table.fault("unwrap", "must be a JSON pointer, like /payload"));
    }
    let open = match table.texts("open")? {
        own if own.is_empty() => base.texts("open")?,
        own => own,
    };
    if open.iter().any(|pointer| !pointer.starts_with('/')) {
        return Err(table.fault("open", "must be JSON pointers, like /envelope"));
    }
    if maps.is_empty() {
        if is_generic {
            let of_maps = ["recognize", "unwrap", "open"].map(|key| (key, table.value(key)));
            return match of_maps.iter().find(|(_, value)| value.is_some()) {
                Some((key, _)) => Err(table.fault(key, "means nothing without `map`")),
                None => Ok(Shape::Generic),
            };
        }
        return Err(table.fault("map", "is required: where in a body the message is"));
    }
    Ok(Shape::Mapped {
        maps: maps.iter().map(Map::compile).collect::<Result<_, _>>()?,
        recognized: recognized.iter().map(Condition::compile).collect::<Result<_, _>>()?,
        unwrap: unwrap.map(str::to_owned),
        accounts: table.texts("accounts")?.into_iter().map(str::to_owned).collect(),
        open: open.into_iter().map(str::to_owned).collect(),
    })
}

fn limits(table: &Table<'_>) -> Result<Limits, Fault> {
    let most = u64::try_from(WEBHOOK_BODY_BYTES).unwrap_or(u64::MAX);
    let bytes = table.count("maxBodyBytes", 1..=most)?;
    let rate = table.count("rateLimitPerMinute", 1..=10_000_000)?;
    let mut allow = Vec::new();
    for text in table.texts("allowIps")? {
        allow.push(
            Network::parse(text)
                .ok_or_else(|| table.fault("allowIps", "must be IP addresses or CIDR blocks"))?,
        );
    }
    Ok(Limits {
        body_bytes: bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(WEBHOOK_BODY_BYTES),
        requests_per_minute: rate.and_then(|rate| u32::try_from(rate).ok()),
        allow,
    })
}

impl Channel {
    /// Refuses identity out of what the proof does not cover, for every way to prove.
    fn check_identity(&self, own_map: bool) -> Result<(), Fault> {
        let Shape::Mapped { maps, .. } = &self.shape else { return Ok(()) };
        let key = if own_map { "inbound.map" } else { "inbound.verify" };
        let mut fault = None;
        let mut visit = |selector: &Selector| {
            for verifier in &self.verifiers {
                let covered = match selector {
                    Selector::Header(name) => verifier.authenticates_header(name),
                    Selector::Query(_) => verifier.authenticates_query(),
                    Selector::Path { .. } => verifier.authenticates_body(),
                };
                if !covered {
                    fault = Some(match selector {
                        Selector::Header(name) => {
                            format!("takes identity from header {name}, which the signature does not cover")
                        }
                        Selector::Query(name) => format!(
                            "takes identity from query parameter {name}, which the signature does not cover"
                        ),
                        Selector::Path { .. } => {
                            "takes identity from the body, which the signature does not cover".to_owned()
                        }
                    });
                }
            }
        };
        maps.iter().for_each(|map| map.each_identity_selector(&mut visit));
        fault.map_or(Ok(()), |problem| Err(Fault::new(key, problem)))
    }

    /// Notes what the mapping reads besides the body, and what an operator should know.
    fn note(&mut self) {
        if self.verifiers.iter().any(Verifier::is_unsigned) {
            self.warnings.push("takes requests of anybody (allowUnsigned)".to_owned());
        }
        let Shape::Mapped { maps, .. } = &self.shape else { return };
        if !maps.iter().all(Map::has_message_id) {
            self.warnings.push("has no map.messageId: repeats are known by their content only".to_owned());
        }
        let (mut headers, mut query) = (Vec::new(), Vec::new());
        let mut visit = |selector: &Selector| match selector {
            Selector::Header(name) => headers.push(name.clone()),
            Selector::Query(name) => query.push(name.clone()),
            Selector::Path { .. } => {}
        };
        maps.iter().for_each(|map| map.each_selector(&mut visit));
        (self.kept_headers, self.kept_query) = (headers, query);
    }
}

/// Replaces `env:NAME` by what `lookup` gives, in every secret of an `inbound`. For configuration
/// files only: an API client must not read the process's environment. What is not set stays as it
/// is, and [`Channel::compile`] refuses it.
pub fn resolve_environment(inbound: &mut JsonMap, lookup: &dyn Fn(&str) -> Option<String>) {
    let resolve = |value: &mut Value| {
        if let Value::String(text) = value
            && let Some(found) = text.strip_prefix("env:").and_then(lookup)
        {
            *text = found;
        }
    };
    for key in ["secret", "verifyToken", "username", "password", "mediaToken"] {
        if let Some(value) = inbound.get_mut(key) {
            resolve(value);
        }
    }
    if let Some(Value::Array(secrets)) = inbound.get_mut("secrets") {
        secrets.iter_mut().for_each(resolve);
    }
}
