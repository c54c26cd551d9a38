//! Proof by a JSON Web Token (RFC 7519, RFC 8725): the algorithm is ours to name, never the token's, and
//! what the token says of body and URL is compared. Tokens that say nothing of a body do not cover it.

use super::error::{Fault, Refused};
use super::publickey::{Hash, PublicKey};
use super::request::Received;
use super::settings::Table;
use super::signature::{Algorithm, Encoding, Key};
use super::signed::spellings;
use super::verify::{Secrets, any, strip};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

/// The longest token, in bytes.
const TOKEN_BYTES: usize = 16 * 1024;

/// One compiled `verify` object of scheme `jwt`.
#[derive(Debug)]
pub(super) struct Jwt {
    header: Box<str>,
    prefix: Box<str>,
    proof: Proof,
    issuers: Vec<String>,
    audience: Option<String>,
    /// The claim that holds the SHA-256 of the body in hex.
    body_hash: Option<Box<str>>,
    /// The claim that holds the SHA-256 of the URL in hex.
    url_hash: Option<Box<str>>,
    public_url: Option<Box<str>>,
    leeway_seconds: i64,
    /// How old a token without `exp` may be.
    age_seconds: i64,
}

#[derive(Debug)]
enum Proof {
    /// Shared secrets, for each of the algorithms that are taken.
    Shared(Vec<(&'static str, Vec<Key>)>),
    /// The provider's published keys (RS256), from this address.
    Published(Box<str>),
}

impl Jwt {
    pub fn compile(table: &Table<'_>, secrets: &Secrets) -> Result<Self, Fault> {
        let keys_at = table.text("keysUrl")?;
        let proof = match keys_at {
            Some(url) if !url.starts_with("https://") => {
                return Err(table.fault("keysUrl", "must begin with https://"));
            }
            Some(url) => Proof::Published(url.into()),
            None => Proof::Shared(shared(table, secrets)?),
        };
        let url_hash = table.text("urlHash")?.map(Into::into);
        if url_hash.is_some() && secrets.public_url.is_none() && !secrets.in_form {
            return Err(Fault::new(
                "inbound.publicUrl",
                "is required: the signature covers the URL as the sender knows it",
            ));
        }
        let needs_audience = table.flag("audienceRequired")?;
        if needs_audience && secrets.app_id.is_none() && !secrets.in_form {
            return Err(Fault::new("inbound.appId", "is required: for whom the token is made out"));
        }
        Ok(Self {
            header: table.required_text("header")?.into(),
            prefix: table.text("prefix")?.unwrap_or_default().into(),
            proof,
            issuers: table.texts("issuer")?.into_iter().map(str::to_owned).collect(),
            audience: secrets.app_id.clone().filter(|_| needs_audience),
            body_hash: table.text("bodyHash")?.map(Into::into),
            url_hash,
            public_url: secrets.public_url.as_deref().map(Into::into),
            leeway_seconds: i64::try_from(table.count("leewaySeconds", 0..=600)?.unwrap_or(5)).unwrap_or(5),
            age_seconds: super::verify::tolerance(table)?,
        })
    }

    /// Whether a sender without the secret could not have written the body.
    pub fn covers_body(&self) -> bool {
        self.body_hash.is_some()
    }

    /// The same for the query.
    pub fn covers_url(&self) -> bool {
        self.url_hash.is_some()
    }

    /// Where the keys are that this scheme needs from its provider.
    pub fn keys_address(&self) -> Option<&str> {
        match &self.proof {
            Proof::Published(url) => Some(url),
            Proof::Shared(_) => None,
        }
    }

    /// Checks a request; `keys` is what stands at [`Self::keys_address`].
    pub fn check(&self, request: &Received<'_>, keys: Option<&[u8]>) -> Result<(), Refused> {
        let given = request.headers.get(&self.header).ok_or(Refused::Missing)?;
        let token = strip(given, &self.prefix).filter(|token| token.len() <= TOKEN_BYTES);
        // A damaged token is a wrong one: only none at all is missing.
        let (signed, proof) = token.and_then(|token| token.rsplit_once('.')).ok_or(Refused::Mismatch)?;
        let (head, claims) = signed.split_once('.').ok_or(Refused::Mismatch)?;
        let (head, claims) = (part(head).ok_or(Refused::Mismatch)?, part(claims).ok_or(Refused::Mismatch)?);
        let proof = URL_SAFE_NO_PAD.decode(proof).map_err(|_| Refused::Mismatch)?;
        if head.get("crit").is_some() {
            return Err(Refused::Mismatch);
        }
        let algorithm = head.get("alg").and_then(Value::as_str).ok_or(Refused::Mismatch)?;
        match &self.proof {
            Proof::Shared(by_algorithm) => {
                let keys = by_algorithm.iter().find(|(name, _)| *name == algorithm);
                let (_, keys) = keys.ok_or(Refused::Mismatch)?;
                any(keys, |key| key.verifies(&[signed.as_bytes()], &proof))?;
            }
            Proof::Published(_) => published(algorithm, &head, keys, signed, &proof)?,
        }
        self.times(&claims, request.received_at.as_second())?;
        self.says(&claims, request)
    }

    /// RFC 7519 sections 4.1.4 to 4.1.6.
    fn times(&self, claims: &Value, now: i64) -> Result<(), Refused> {
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => match value.as_i64().or_else(|| value.as_f64().and_then(whole)) {
                Some(time) => Ok(Some(time)),
                None => Err(Refused::Stale),
            },
        };
        let (expires, begins, issued) = (time("exp")?, time("nbf")?, time("iat")?);
        let is_fresh = match (expires, issued) {
            (Some(expires), _) => now < expires.saturating_add(self.leeway_seconds),
            (None, Some(issued)) => issued.abs_diff(now) <= self.age_seconds.unsigned_abs(),
            (None, None) => false,
        };
        let has_begun = begins.is_none_or(|begins| begins <= now.saturating_add(self.leeway_seconds));
        if is_fresh && has_begun { Ok(()) } else { Err(Refused::Stale) }
    }

    /// Who says it, to whom, of which request.
    fn says(&self, claims: &Value, request: &Received<'_>) -> Result<(), Refused> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let from_us = self.issuers.is_empty()
            || text("iss").is_some_and(|issuer| self.issuers.iter().any(|known| known == issuer));
        let to_us = self.audience.as_deref().is_none_or(|ours| match claims.get("aud") {
            Some(Value::String(one)) => one == ours,
            Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(ours)),
            _ => false,
        });
        let body_fits = match &self.body_hash {
            None => true,
            Some(claim) => match (text(claim), request.wire.is_empty()) {
                (None, true) => claims.get(&**claim).is_none(),
                (Some(hash), false) => is_hash(hash, request.wire) || is_hash(hash, request.body),
                _ => false,
            },
        };
        let url_fits = match (&self.url_hash, &self.public_url) {
            (Some(claim), Some(public_url)) => text(claim).is_some_and(|hash| {
                spellings(public_url, request).iter().any(|url| is_hash(hash, url.as_bytes()))
            }),
            _ => true,
        };
        if from_us && to_us && body_fits && url_fits { Ok(()) } else { Err(Refused::Mismatch) }
    }
}

fn shared(table: &Table<'_>, secrets: &Secrets) -> Result<Vec<(&'static str, Vec<Key>)>, Fault> {
    if secrets.list.is_empty() && !secrets.in_form {
        return Err(Fault::new("inbound.secret", "is required for this scheme"));
    }
    let known = [
        ("HS256", Algorithm::HmacSha256),
        ("HS384", Algorithm::HmacSha384),
        ("HS512", Algorithm::HmacSha512),
    ];
    let taken = table.texts("algorithms")?;
    let mut made = Vec::new();
    for (name, algorithm) in known {
        if taken.contains(&name) {
            let keys = secrets.list.iter().filter_map(|secret| Key::new(algorithm, secret.as_bytes()).ok());
            made.push((name, keys.collect()));
        }
    }
    if made.is_empty() || taken.iter().any(|name| !known.iter().any(|(word, _)| word == name)) {
        return Err(table.fault("algorithms", "must be a list out of HS256, HS384, HS512"));
    }
    Ok(made)
}

/// A signature by one of the provider's keys: the one that the token names, else any of them.
fn published(
    algorithm: &str,
    head: &Value,
    keys: Option<&[u8]>,
    signed: &str,
    proof: &[u8],
) -> Result<(), Refused> {
    if algorithm != "RS256" {
        return Err(Refused::Mismatch);
    }
    let keys: Value = serde_json::from_slice(keys.ok_or(Refused::Keyless)?).map_err(|_| Refused::Keyless)?;
    let wanted = head.get("kid").and_then(Value::as_str);
    let keys = keys.get("keys").and_then(Value::as_array).ok_or(Refused::Keyless)?;
    let fits = |key: &&Value| wanted.is_none() || key.get("kid").and_then(Value::as_str) == wanted;
    let found = keys
        .iter()
        .take(100)
        .filter(fits)
        .filter_map(PublicKey::of_jwk)
        .any(|key| key.verifies(Hash::Sha256, signed.as_bytes(), proof));
    if found { Ok(()) } else { Err(Refused::Mismatch) }
}

fn part(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    value.is_object().then_some(value)
}

/// A NumericDate with a fraction, cut.
#[expect(clippy::cast_possible_truncation, reason = "bounded before: beyond it no time is meant")]
fn whole(time: f64) -> Option<i64> {
    (time.abs() < 1e15).then_some(time as i64)
}

fn is_hash(hex: &str, text: &[u8]) -> bool {
    let given = Encoding::Hex.decode(hex).unwrap_or_default();
    bool::from(digest::digest(&digest::SHA256, text).as_ref().ct_eq(&given))
}
