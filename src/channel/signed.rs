//! Signatures over a template: where the proof and the timestamp are, what is signed, under which
//! spelling of our URL.

use super::body::Document;
use super::error::{Fault, Refused};
use super::request::Received;
use super::settings::Table;
use super::signature::{Algorithm, Encoding, Key};
use super::standard::is_fresh;
use super::template::Template;
use super::verify::{Place, Secrets, any, every_key, place, strip, tolerance};
use ring::digest;

/// One signed scheme, its keys prepared.
#[derive(Debug)]
pub(super) struct Signed {
    place: Place,
    prefix: Box<str>,
    separator: Option<Box<str>>,
    encoding: Encoding,
    template: Template,
    keys: Vec<Key>,
    timestamp: Option<Stamp>,
    public_url: Option<Box<str>>,
}

#[derive(Debug)]
struct Stamp {
    place: Place,
    prefix: Box<str>,
    milliseconds: bool,
    tolerance_seconds: i64,
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

fn separator(table: &Table<'_>) -> Result<Option<Box<str>>, Fault> {
    match table.text("separator")? {
        Some("") => Err(table.fault("separator", "must not be empty")),
        text => Ok(text.map(Into::into)),
    }
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
    /// Compiles a `verify` object of one of the signed schemes.
    pub fn compile(table: &Table<'_>, algorithm: Algorithm, secrets: &Secrets) -> Result<Self, Fault> {
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
        if template.covers_url() && secrets.public_url.is_none() && !secrets.in_form {
            return Err(Fault::new(
                "inbound.publicUrl",
                "is required: the signature covers the URL as the sender knows it",
            ));
        }
        let encodings = [("hex", Encoding::Hex), ("base64", Encoding::Base64)];
        Ok(Self {
            place: place(table)?,
            prefix: table.text("prefix")?.unwrap_or_default().into(),
            separator: separator(table)?,
            encoding: table.word("encoding", &encodings)?.unwrap_or(Encoding::Hex),
            template,
            keys: every_key(secrets, |secret| Ok(vec![Key::new(algorithm, secret.as_bytes())?]))?,
            timestamp,
            public_url: secrets.public_url.as_deref().map(Into::into),
        })
    }

    /// What is signed.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Whether the body has to be read before the proof can be checked.
    pub fn needs_document(&self) -> bool {
        let in_body = |place: &Place| matches!(place, Place::Body(_));
        self.template.needs_document()
            || in_body(&self.place)
            || self.timestamp.as_ref().is_some_and(|stamp| in_body(&stamp.place))
    }

    /// The timestamp's text, if it is near enough; none where the scheme has none.
    fn fresh_timestamp(
        &self,
        request: &Received<'_>,
        document: Option<&Document>,
    ) -> Result<Option<String>, Refused> {
        let Some(stamp) = &self.timestamp else { return Ok(None) };
        let value = stamp.place.read(request, document).ok_or(Refused::Missing)?;
        let separator = self.separator.as_deref();
        let text = candidates(&value, separator, &stamp.prefix).next().ok_or(Refused::Missing)?;
        if is_fresh(text, stamp.milliseconds, request.received_at, stamp.tolerance_seconds) {
            Ok(Some(text.to_owned()))
        } else {
            Err(Refused::Stale)
        }
    }

    /// Checks one request.
    pub fn check(&self, request: &Received<'_>, document: Option<&Document>) -> Result<usize, Refused> {
        let separator = self.separator.as_deref();
        let given = self.place.read(request, document).ok_or(Refused::Missing)?;
        let proofs: Vec<Vec<u8>> = candidates(&given, separator, &self.prefix)
            .filter_map(|text| self.encoding.decode(text))
            .collect();
        if proofs.is_empty() {
            return Err(Refused::Missing);
        }
        let timestamp = self.fresh_timestamp(request, document)?;
        let form = document.filter(|document| document.is_form()).and_then(Document::value);
        if self.template.covers_params() && form.is_none() && !body_hash_fits(request) {
            return Err(Refused::Mismatch);
        }
        let document = if self.template.covers_params() { form } else { document.and_then(Document::value) };
        let urls = match (&self.public_url, self.template.covers_url()) {
            (Some(configured), true) => spellings(configured, request),
            _ => vec![String::new()],
        };
        let bodies: &[&[u8]] = if request.wire.as_ptr() == request.body.as_ptr() {
            &[request.body]
        } else {
            &[request.wire, request.body]
        };
        let mut found = None;
        for url in &urls {
            for raw in bodies {
                let pieces = self
                    .template
                    .render(request, raw, url, timestamp.as_deref(), document)
                    .ok_or(Refused::Missing)?;
                let pieces: Vec<&[u8]> = pieces.iter().map(AsRef::as_ref).collect();
                for proof in &proofs {
                    let fitting = any(&self.keys, |key| key.verifies(&pieces, proof)).ok();
                    found = fitting.or(found);
                }
            }
        }
        found.ok_or(Refused::Mismatch)
    }
}

/// The spellings under which the sender may know our URL: as configured, with the path and the query
/// of this request where the setting has none, and each with and without the default port.
pub(super) fn spellings(configured: &str, request: &Received<'_>) -> Vec<String> {
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

/// Twilio signs the URL alone for bodies that are no form, and puts the body's SHA-256 into it.
fn body_hash_fits(request: &Received<'_>) -> bool {
    request
        .query_value("bodySHA256")
        .and_then(|text| Encoding::Hex.decode(&text))
        .is_some_and(|given| given == digest::digest(&digest::SHA256, request.body).as_ref())
}
