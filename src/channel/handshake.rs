//! Handshakes: what a provider asks before it sends messages. A GET challenge is answered without any
//! secret but a token compare; a challenge in a body only after the body's proof.

use super::body::Document;
use super::condition::{Condition, Found};
use super::error::Fault;
use super::fallbacks::Fallbacks;
use super::request::Received;
use super::selectors::{Scope, Selector};
use super::settings::Table;
use super::signature::Token;
use serde_json::Value;

/// A challenge is echoed up to this many bytes.
const CHALLENGE_LIMIT: usize = 4_096;

/// The answer to a handshake: always `text/plain`, so that nothing of it is ever rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// 200, or 403 for a wrong token.
    pub status: u16,
    /// What to answer.
    pub body: String,
}

/// One compiled handshake.
#[derive(Debug)]
pub(super) struct Handshake {
    get: bool,
    query: Vec<(String, String)>,
    when: Vec<Condition>,
    token: Option<(Selector, Option<Token>)>,
    reply: Option<Fallbacks>,
}

impl Handshake {
    /// Compiles one `handshake` object; `verify_token` is the surface's.
    pub fn compile(table: &Table<'_>, verify_token: Option<&str>) -> Result<Self, Fault> {
        let get = table.word("method", &[("GET", true), ("POST", false)])?.unwrap_or(false);
        let mut query = Vec::new();
        for (name, value) in table.entries("query")? {
            let value = value.as_str().ok_or_else(|| table.fault("query", "must hold strings"))?;
            query.push((name.to_owned(), value.to_owned()));
        }
        let token = table
            .text("token")?
            .map(|text| Selector::compile(&table.at("token"), text))
            .transpose()?
            .map(|selector| (selector, verify_token.map(|token| Token::new(token.as_bytes()))));
        let made = Self {
            get,
            query,
            when: table.tables("when")?.iter().map(Condition::compile).collect::<Result<_, _>>()?,
            token,
            reply: Fallbacks::optional(table, "reply")?,
        };
        table.finish()?;
        if made.query.is_empty() && made.when.is_empty() {
            return Err(table.fault("when", "is required, or query: else every request is a handshake"));
        }
        Ok(made)
    }

    /// Whether it compares a token with the surface's `verifyToken`.
    pub fn compares_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether it is asked for by GET, before any proof.
    pub fn is_get(&self) -> bool {
        self.get
    }

    /// The answer, if this request is that handshake.
    pub fn answer(&self, request: &Received<'_>, document: Option<&Document>) -> Option<Challenge> {
        if !self
            .query
            .iter()
            .all(|(name, value)| request.query_value(name).is_some_and(|given| given == *value))
        {
            return None;
        }
        let root = document.and_then(Document::value).unwrap_or(&Value::Null);
        let scope = Scope::new(root, request, &[]);
        if self.when.iter().any(|condition| condition.check(&scope) != Found::Holds) {
            return None;
        }
        if let Some((selector, token)) = &self.token {
            let given = selector.first(&scope);
            let given = given.as_deref().and_then(Value::as_str).unwrap_or_default();
            if !token.as_ref().is_some_and(|token| token.equals(given.as_bytes())) {
                return Some(Challenge { status: 403, body: String::new() });
            }
        }
        let body = match &self.reply {
            Some(reply) => reply.text(&scope).filter(|text| text.len() <= CHALLENGE_LIMIT)?,
            None => String::new(),
        };
        Some(Challenge { status: 200, body })
    }
}
