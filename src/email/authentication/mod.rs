//! What servers on the way say about a mail (RFC 8601), and what its signatures prove by themselves ([`dkim`]).
//!
//! Only reads: which server is to be believed is the business of `inbound`. Everything below the line of the
//! first server that is ours may have been written by the sender.

mod dkim;
mod token;

#[cfg(test)]
pub(crate) mod tests;

pub use dkim::{DkimKeys, Signatures, check};

use super::header::Headers;
use super::words;
use token::{Token, tokens};

/// Fields of one mail that are read.
const FIELD_LIMIT: usize = 64;
/// Results of one field that are kept.
const RESULT_LIMIT: usize = 32;

/// The fields that servers put on top of a mail while they handed it on, topmost first; empty where none of them
/// is an Authentication-Results or an ARC field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Topmost, that is newest, first; at most 64.
    pub stamps: Vec<Stamp>,
}

/// One of these fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stamp {
    /// Received: the mail came to the server `by`.
    Received {
        /// The server that wrote it, lower-cased.
        by: String,
        /// Whether it came from that very machine (a filter that hands back what it was given).
        from_itself: bool,
    },
    /// Authentication-Results.
    Results(Results),
    /// ARC-Authentication-Results: what a server says that it saw when it handed the mail on (RFC 8617).
    Forwarded {
        /// Which of the servers that did so, from 1.
        instance: u32,
        /// What it saw.
        results: Results,
    },
    /// ARC-Seal: who vouches for that.
    Seal {
        /// Of which instance.
        instance: u32,
        /// The domain that signed, lower-cased.
        domain: String,
    },
}

/// What one server found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// The name under which the server vouches for it, lower-cased; empty where it gives none.
    pub server: String,
    /// In the order of the field; at most 32.
    pub methods: Vec<MethodResult>,
}

/// One method and its result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MethodResult {
    /// `spf`, `dkim`, `dmarc`, `arc`, ..., lower-cased.
    pub method: String,
    /// `pass`, `fail`, `none`, ..., lower-cased.
    pub result: String,
    /// `header.d`, `smtp.mailfrom`, ..., lower-cased, with their values as written.
    pub properties: Vec<(String, String)>,
}

impl MethodResult {
    /// The value of a property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads the fields that servers put there.
pub(super) fn trace(headers: &Headers<'_>) -> Trace {
    if !headers.has("authentication-results") && !headers.has("arc-seal") {
        return Trace::default();
    }
    let stamps = headers.fields().filter_map(|field| stamp(field.name, field.value));
    Trace { stamps: stamps.take(FIELD_LIMIT).collect() }
}

fn stamp(name: &[u8], value: &[u8]) -> Option<Stamp> {
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
    if is("received") {
        received(&words::text(value))
    } else if is("authentication-results") {
        Some(Stamp::Results(results(&tokens(&words::text(value)))))
    } else if is("arc-authentication-results") {
        let tokens = tokens(&words::text(value));
        let (instance, rest) = instance(&tokens)?;
        Some(Stamp::Forwarded { instance, results: results(rest) })
    } else if is("arc-seal") {
        let tokens = tokens(&words::text(value));
        let tag = |name: &str| tags(&tokens).find(|(tag, _)| *tag == name).map(|(_, value)| value);
        Some(Stamp::Seal { instance: tag("i")?.parse().ok()?, domain: tag("d")?.to_ascii_lowercase() })
    } else {
        None
    }
}

/// RFC 5321 section 4.4: `from <the name it gave> (what is known of it) by <server> ...`.
fn received(value: &str) -> Option<Stamp> {
    let tokens = tokens(value);
    let mut words = tokens.iter().filter_map(Token::word);
    let mut by = None;
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case("from") {
            // A name that the other side chose.
            words.next();
        } else if word.eq_ignore_ascii_case("by") {
            by = words.next();
            break;
        }
    }
    // The address in the comment is what the server saw, all else what it was told.
    let seen = tokens.iter().filter_map(Token::comment).next().unwrap_or_default();
    let address = seen.rsplit_once('[').and_then(|(_, tail)| tail.split(']').next()).unwrap_or_default();
    let from_itself = address.starts_with("127.") || matches!(address, "::1" | "IPv6:::1");
    Some(Stamp::Received { by: by?.to_ascii_lowercase(), from_itself })
}

/// `i=2; ` in front of an ARC-Authentication-Results (RFC 8617 section 4.1.1).
fn instance(tokens: &[Token]) -> Option<(u32, &[Token])> {
    match tokens {
        [Token::Word(name), Token::Equals, Token::Word(number), Token::Semicolon, rest @ ..]
            if name.eq_ignore_ascii_case("i") =>
        {
            Some((number.parse().ok()?, rest))
        }
        _ => None,
    }
}

/// RFC 8601 section 2.2: `server [version]; method[/version]=result [reason=...] [ptype.property=value]...; ...`
fn results(tokens: &[Token]) -> Results {
    let mut segments = tokens.split(|token| matches!(token, Token::Semicolon));
    let mut found = Results::default();
    let head = segments.next().unwrap_or_default();
    // Some servers leave their name out and begin with a result.
    let first = tags_of(head).next();
    match head.iter().find_map(Token::word) {
        Some(server) if first.is_none() => found.server = server.to_ascii_lowercase(),
        _ => found.methods.extend(method(head)),
    }
    found.methods.extend(segments.filter_map(method).take(RESULT_LIMIT));
    found
}

fn method(segment: &[Token]) -> Option<MethodResult> {
    let mut tags = tags_of(segment);
    let (method, result) = tags.next()?;
    let method = method.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let properties = tags.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Some(MethodResult {
        method,
        result: result.to_ascii_lowercase(),
        properties: properties.take(RESULT_LIMIT).collect(),
    })
}

/// Every `name=value`, whatever stands between.
fn tags_of(segment: &[Token]) -> impl Iterator<Item = (&str, &str)> {
    segment.windows(3).filter_map(|three| match three {
        [Token::Word(name), Token::Equals, Token::Word(value)] => Some((name.as_str(), value.as_str())),
        _ => None,
    })
}

fn tags(tokens: &[Token]) -> impl Iterator<Item = (&str, &str)> {
    tokens.split(|token| matches!(token, Token::Semicolon)).filter_map(|segment| tags_of(segment).next())
}
