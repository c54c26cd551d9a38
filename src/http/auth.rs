//! Who calls: the API key of a request, what it may do and whose it is.

use super::AppState;
use super::error::ApiError;
use crate::clock::Clock;
use crate::ids::{KeyId, TenantId};
use crate::secret::hash_key;
use crate::store::Store;
use crate::store::keys::ApiKey;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// What a key may do (api.md, "Rules for every endpoint").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Read conversations and messages.
    MessagingRead,
    /// Change them.
    MessagingWrite,
    /// Read surfaces.
    SurfacesRead,
    /// Change them.
    SurfacesWrite,
    /// Read the transcript view.
    ConversationsRead,
    /// Change it.
    ConversationsWrite,
    /// Everything.
    Admin,
}

impl Scope {
    /// Every scope, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::MessagingRead,
        Self::MessagingWrite,
        Self::SurfacesRead,
        Self::SurfacesWrite,
        Self::ConversationsRead,
        Self::ConversationsWrite,
        Self::Admin,
    ];

    /// The word that keys carry.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessagingRead => "messaging:read",
            Self::MessagingWrite => "messaging:write",
            Self::SurfacesRead => "surfaces:read",
            Self::SurfacesWrite => "surfaces:write",
            Self::ConversationsRead => "conversations:read",
            Self::ConversationsWrite => "conversations:write",
            Self::Admin => "admin",
        }
    }

    /// The scope that `text` names, if it names one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == text)
    }
}

/// The holder of a working API key. As an extractor it answers 401 to everybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose data it sees.
    pub tenant_id: TenantId,
    /// The key.
    pub key_id: KeyId,
    /// Limits it to the surfaces of one workspace.
    pub workspace_id: Option<String>,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

impl Caller {
    /// Goes on only with `scope` (or [`Scope::Admin`], which holds all).
    ///
    /// # Errors
    /// 403.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.scopes.iter().any(|held| *held == scope || *held == Scope::Admin) {
            return Ok(());
        }
        Err(ApiError::missing_scope(scope.as_str()))
    }

    /// Whether it may see a surface of that workspace.
    #[must_use]
    pub fn sees_workspace(&self, workspace_id: Option<&str>) -> bool {
        self.workspace_id.as_deref().is_none_or(|own| workspace_id == Some(own))
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let key = presented_key(&parts.headers).ok_or_else(ApiError::unauthorized)?;
        let now = state.clock.now();
        let found = state.keys.find(&state.store, &*state.clock, hash_key(key)).await?;
        let works = |key: &ApiKey| key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end);
        let key = found.filter(works).ok_or_else(ApiError::unauthorized)?;
        tracing::Span::current().record("key_id", tracing::field::display(key.id));
        Ok(Self {
            tenant_id: key.tenant_id,
            key_id: key.id,
            workspace_id: key.workspace_id,
            scopes: key.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect(),
        })
    }
}

/// `Authorization: Bearer KEY`, `Authorization: KEY` or `X-API-Key: KEY`.
fn presented_key(headers: &HeaderMap) -> Option<&str> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let key = match text(header::AUTHORIZATION) {
        Some(value) => match value.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
            Some(_) => return None,
            None => value,
        },
        None => text(header::HeaderName::from_static("x-api-key"))?,
    };
    (!key.is_empty()).then_some(key)
}

/// Keys that were looked up a moment ago, so that a busy client costs one look-up each
/// [`KeyCache::FRESH_MILLIS`]. For that long, and no longer, a revoked key may go on working.
#[derive(Default)]
pub struct KeyCache(Mutex<HashMap<[u8; 32], (Timestamp, ApiKey)>>);

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyCache")
    }
}

impl KeyCache {
    /// How long a key that was found counts as known.
    pub const FRESH_MILLIS: i64 = 250;
    /// How many keys are remembered.
    pub const MOST: usize = 4_096;

    async fn find(
        &self,
        store: &Store,
        clock: &dyn Clock,
        hash: [u8; 32],
    ) -> Result<Option<ApiKey>, ApiError> {
        let now = clock.now();
        let fresh = |at: Timestamp| {
            let age = now.as_millisecond() - at.as_millisecond();
            (0..Self::FRESH_MILLIS).contains(&age)
        };
        if let Some((at, key)) = self.entries().get(&hash)
            && fresh(*at)
        {
            return Ok(Some(key.clone()));
        }
        let found = store.find_key(&hash).await?;
        let mut entries = self.entries();
        if entries.len() >= Self::MOST {
            entries.retain(|_, (at, _)| fresh(*at));
        }
        match &found {
            Some(key) if entries.len() < Self::MOST => {
                entries.insert(hash, (now, key.clone()));
            }
            _ => {
                entries.remove(&hash);
            }
        }
        Ok(found)
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], (Timestamp, ApiKey)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn key_in(name: &'static str, value: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        presented_key(&headers).map(str::to_owned)
    }

    #[test]
    fn a_key_is_taken_from_each_documented_place() {
        for (name, value) in [
            ("authorization", "Bearer k1"),
            ("authorization", "bearer  k1"),
            ("authorization", "k1"),
            ("x-api-key", "k1"),
        ] {
            assert_eq!(key_in(name, value).as_deref(), Some("k1"), "{name}: {value}");
        }
        for (name, value) in [("authorization", "Basic azE6"), ("authorization", ""), ("x-api-key", " ")] {
            assert_eq!(key_in(name, value), None, "{name}: {value}");
        }
    }

    #[test]
    fn admin_holds_every_scope() {
        let caller = |scopes| Caller {
            tenant_id: TenantId(uuid::Uuid::nil()),
            key_id: KeyId(uuid::Uuid::nil()),
            workspace_id: None,
            scopes,
        };
        assert!(caller(vec![Scope::Admin]).require(Scope::SurfacesWrite).is_ok());
        assert!(caller(vec![Scope::MessagingRead]).require(Scope::MessagingRead).is_ok());
        assert!(caller(vec![Scope::MessagingRead]).require(Scope::MessagingWrite).is_err());
    }

    #[test]
    fn a_key_of_one_workspace_sees_that_one_alone() {
        let caller = Caller {
            tenant_id: TenantId(uuid::Uuid::nil()),
            key_id: KeyId(uuid::Uuid::nil()),
            workspace_id: Some("a".to_owned()),
            scopes: vec![],
        };
        assert!(caller.sees_workspace(Some("a")));
        assert!(!caller.sees_workspace(Some("b")));
        assert!(!caller.sees_workspace(None));
    }
}
