//! Signatures checked here: DKIM (RFC 6376) and ARC (RFC 8617), where the signer's public key is at hand.
//!
//! Asks no network: keys come from whoever implements [`DkimKeys`]. A signature whose key is not at hand says
//! nothing, neither good nor bad.

use crate::email::header::Headers;
use futures_util::FutureExt as _;
use mail_auth::arc::ArcError;
use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::verify::DomainKey;
use mail_auth::dkim::DkimError;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::{
    AuthenticatedMessage, DkimResult, DnsError, Error, MessageAuthenticator, Parameters, ResolverCache, Txt,
};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

/// Signatures of one mail that are checked; each costs a public-key operation.
const SIGNATURE_LIMIT: usize = 10;
/// Bytes of one signature field; its list of header names costs a search each.
const SIGNATURE_LIMIT_BYTES: usize = 8 * 1024;
/// Fields of a header block in which signed ones are searched.
const FIELD_LIMIT: usize = 1_000;

/// Where public keys are found.
pub trait DkimKeys {
    /// The TXT record (`v=DKIM1; k=rsa; p=...`) under `selector._domainkey.domain` (lower case, no dot at the end),
    /// if it is at hand.
    fn record(&self, name: &str) -> Option<&str>;
}

/// What the signatures of a mail prove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signatures {
    /// DKIM signatures whose key is at hand.
    pub dkim: Vec<Signature>,
    /// The chain of ARC seals: `pass` or `fail`; `None` where there is none or a key is missing.
    pub arc: Option<&'static str>,
}

/// One checked signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Who signed, lower-cased.
    pub domain: String,
    /// With which key.
    pub selector: String,
    /// `pass`; `fail` where header, body or key do not fit; `neutral` where it expired or cannot be read.
    pub result: &'static str,
}

/// Checks the signatures of a mail, as far as keys are at hand.
#[must_use]
pub fn check(raw: &[u8], keys: &dyn DkimKeys) -> Signatures {
    let headers = Headers::of_message(raw);
    let Some(at_hand) = keys_at_hand(&headers, keys) else { return Signatures::default() };
    let raw = crate::email::header::skip_preamble(raw);
    let (Some(authenticator), Some(message)) = (AUTHENTICATOR.as_ref(), AuthenticatedMessage::parse(raw))
    else {
        return Signatures::default();
    };
    let parameters = || Parameters::new(&message).with_txt_cache(&at_hand);
    // Every name is answered by `AtHand`, so that nothing is waited for.
    let dkim = authenticator.verify_dkim(parameters()).now_or_never().unwrap_or_default();
    let arc = authenticator.verify_arc(parameters()).now_or_never();
    let signatures = dkim.iter().filter_map(|output| {
        let signature = output.signature()?;
        let (domain, selector) = (signature.d.to_ascii_lowercase(), signature.s.to_ascii_lowercase());
        keys.record(&format!("{selector}._domainkey.{domain}"))?;
        Some(Signature { domain, selector, result: word(output.result())? })
    });
    Signatures { dkim: signatures.collect(), arc: arc.and_then(|output| word(output.result())) }
}

/// `None`: nothing can be said.
fn word(result: &DkimResult) -> Option<&'static str> {
    match result {
        DkimResult::Pass => Some("pass"),
        DkimResult::Fail(_) => Some("fail"),
        // The library calls a body that was changed neutral; RFC 8601 section 2.7.1 calls it a failure.
        DkimResult::Neutral(
            Error::Dkim(DkimError::FailedBodyHashMatch) | Error::Arc(ArcError::FailedBodyHashMatch),
        ) => Some("fail"),
        DkimResult::Neutral(_) => Some("neutral"),
        DkimResult::PermError(_) | DkimResult::TempError(_) | DkimResult::None => None,
    }
}

/// The keys of a mail's signatures, if any is at hand and the bounds are kept: most mails end here.
fn keys_at_hand(headers: &Headers<'_>, keys: &dyn DkimKeys) -> Option<AtHand> {
    let mut found = HashMap::new();
    let names = ["dkim-signature", "arc-message-signature", "arc-seal"];
    for (count, value) in names.into_iter().flat_map(|name| headers.all(name)).enumerate() {
        if count >= 3 * SIGNATURE_LIMIT || value.len() > SIGNATURE_LIMIT_BYTES {
            return None;
        }
        let Some(name) = key_name(value) else { continue };
        if let Some(record) = keys.record(&name) {
            let key = match DomainKey::parse(record.as_bytes()) {
                Ok(key) => Txt::DomainKey(Arc::new(key)),
                Err(error) => Txt::Error(error),
            };
            found.insert(format!("{name}.").into_boxed_str(), key);
        }
    }
    let is_bounded =
        headers.all("dkim-signature").count() <= SIGNATURE_LIMIT && headers.fields().count() <= FIELD_LIMIT;
    (is_bounded && !found.is_empty()).then_some(AtHand(found))
}

/// The name under which the key of a signature is found.
fn key_name(value: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(value).chars().filter(|c| !c.is_whitespace()).collect();
    let tag = |wanted: &str| {
        text.split(';').find_map(|tag| {
            let (name, value) = tag.split_once('=')?;
            (name == wanted).then(|| value.to_ascii_lowercase())
        })
    };
    Some(format!("{}._domainkey.{}", tag("s")?, tag("d")?))
}

/// A resolver without servers: it is never asked.
static AUTHENTICATOR: LazyLock<Option<MessageAuthenticator>> =
    LazyLock::new(|| MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default()).ok());

/// Answers every question, from the keys at hand or that there is none.
struct AtHand(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for AtHand {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let missing = || Txt::Error(Error::Dns(DnsError::RecordNotFound(ResponseCode::NXDomain)));
        Some(self.0.get(name).cloned().unwrap_or_else(missing))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}
