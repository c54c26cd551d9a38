//! Sessions of one account: the turn at the host, the access token, the login. Whoever needs a session of the account
//! shares one of these, so that a refresh token that the endpoint replaces is replaced for all of them.

use super::Shared;
use super::failure::Failure;
use super::seats::Seats;
use super::settings::{Account, OAuth2, Proof};
use super::token::{Fresh, TokenError, Tokens};
use crate::ids::{SurfaceId, TenantId};
use crate::imap::{Auth, Error, ErrorClass, Network, Session};
use crate::store::StoreError;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The longest a session is used: Gmail ends its own after about a day, and an end that is planned is no failure.
const SESSION_LIFE: Duration = Duration::from_hours(23);

/// Opens sessions of one account.
#[derive(Debug)]
pub(super) struct Connector {
    pub tenant_id: TenantId,
    pub surface_id: SurfaceId,
    /// The settings' revision.
    pub revision: i64,
    pub account: Account,
    /// The connections that it shares with others of the same login.
    pub seats: Arc<Seats>,
    tokens: Option<Tokens>,
}

/// A session, and until when it is good.
#[derive(Debug)]
pub(super) struct Opened {
    pub session: Session,
    pub at: Instant,
    /// When it is to be replaced by another: before its access token ends.
    pub renew_at: Instant,
}

impl Connector {
    pub fn new(
        shared: &Shared,
        (tenant_id, surface_id): (TenantId, SurfaceId),
        revision: i64,
        account: Account,
    ) -> Self {
        let tokens = match &account.proof {
            Proof::OAuth2(oauth) => Some(Tokens::new(oauth.clone())),
            Proof::Password(_) => None,
        };
        let seats = shared.accounts.seats(&account.host, &account.username);
        Self { tenant_id, surface_id, revision, account, seats, tokens }
    }

    /// Logs in; the caller has waited for its turn at the host.
    pub async fn open(&self, shared: &Shared) -> Result<Opened, Failure> {
        self.open_with(shared, &shared.parts.network).await
    }

    /// The same under other rules.
    pub async fn open_with(&self, shared: &Shared, network: &Network) -> Result<Opened, Failure> {
        let at = Instant::now();
        let mut renew_at = at + SESSION_LIFE;
        let auth = match &self.account.proof {
            Proof::Password(password) => Auth::Password(password.clone()),
            Proof::OAuth2(_) => {
                let fresh = self.access_token(shared, network).await?;
                renew_at = renew_at.min(fresh.until);
                Auth::Bearer { token: fresh.token, mechanism: None }
            }
        };
        let opened = Session::open(&self.account.target(auth), network).await;
        if let Err(error) = &opened {
            self.note(error).await;
        }
        Ok(Opened { session: opened?, at, renew_at })
    }

    /// An access token. A refresh token that the endpoint gives in place of the stored one is stored.
    pub async fn access_token(&self, shared: &Shared, network: &Network) -> Result<Fresh, Failure> {
        let missing = || TokenError::Url("it was not stored".into());
        let tokens = self.tokens.as_ref().ok_or_else(missing)?;
        if tokens.are_due().await {
            self.follow_stored(shared, tokens).await?;
        }
        let fresh = tokens.fresh(network).await?;
        if let Some(rotated) = &fresh.rotated {
            self.keep_refresh_token(shared, rotated).await?;
            tokens.kept(rotated).await;
        }
        Ok(fresh)
    }

    /// Whether its tokens are got with `oauth`, as far as that is stored.
    pub async fn has_tokens_of(&self, shared: &Shared, oauth: &OAuth2) -> Result<bool, Failure> {
        let Some(tokens) = &self.tokens else { return Ok(false) };
        self.follow_stored(shared, tokens).await?;
        Ok(tokens.are_of(oauth).await)
    }

    /// Another process may have replaced the refresh token.
    async fn follow_stored(&self, shared: &Shared, tokens: &Tokens) -> Result<(), Failure> {
        let (tenant, surface) = (self.tenant_id, self.surface_id);
        let parts = &shared.parts;
        let stored = parts.store.get_mailbox(tenant, surface).await?;
        let Some(stored) = stored.filter(|stored| stored.revision == self.revision) else { return Ok(()) };
        let sealed = stored.settings.get("auth").and_then(|auth| auth.get("refreshToken"));
        let Some(sealed) = sealed.and_then(serde_json::Value::as_str) else { return Ok(()) };
        // A key that is gone is told where all settings are opened.
        if let Ok(opened) = parts.sealer.open(sealed, tenant, surface, "auth.refreshToken") {
            tokens.follow(opened).await;
        }
        Ok(())
    }

    /// A token that the server calls bad is not shown again.
    pub async fn note(&self, error: &Error) {
        if let Some(tokens) = &self.tokens
            && error.class() == ErrorClass::Token
        {
            tokens.forget().await;
        }
    }

    /// Stores the refresh token that the endpoint gave in place of the old one, unless the settings were replaced.
    async fn keep_refresh_token(&self, shared: &Shared, rotated: &SecretString) -> Result<(), StoreError> {
        let (tenant, surface) = (self.tenant_id, self.surface_id);
        let parts = &shared.parts;
        let Some(mut stored) = parts.store.get_mailbox(tenant, surface).await? else { return Ok(()) };
        let auth = stored.settings.get_mut("auth").and_then(serde_json::Value::as_object_mut);
        let Some(auth) = auth.filter(|_| stored.revision == self.revision) else { return Ok(()) };
        let sealed = parts.sealer.seal(rotated.expose_secret(), tenant, surface, "auth.refreshToken");
        auth.insert("refreshToken".into(), sealed.into());
        let mut tx = parts.store.begin().await?;
        tx.save_mailbox(&stored).await?;
        tx.commit().await
    }
}
