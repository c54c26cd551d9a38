//! Access tokens for others than the mailbox's own task: to try settings, or to send.

use super::connect::Connector;
use super::settings::OAuth2;
use super::token::Tokens;
use super::{PollFailure, Supervisor};
use crate::ids::{SurfaceId, TenantId};
use secrecy::SecretString;
use std::sync::Arc;

/// Access tokens of one account.
#[derive(Debug)]
pub struct Access {
    supervisor: Supervisor,
    tokens: Source,
}

#[derive(Debug)]
enum Source {
    /// What is stored for the surface.
    Stored(Arc<Connector>),
    /// What a caller gave.
    Given(Tokens),
}

impl Supervisor {
    /// Access tokens got with `oauth`. Where that is what is stored for the surface, they are those of its mailboxes, and
    /// a refresh token that the endpoint gives in place of the old one is stored: an endpoint may take each only once. Of
    /// what is not stored nothing is kept.
    pub async fn access(&self, tenant: TenantId, surface: SurfaceId, oauth: &OAuth2) -> Access {
        let tokens = match self.connector(tenant, surface).await {
            Ok(connector) if connector.has_tokens_of(&self.shared, oauth).await.unwrap_or(false) => {
                Source::Stored(connector)
            }
            _ => Source::Given(Tokens::new(oauth.clone())),
        };
        Access { supervisor: self.clone(), tokens }
    }
}

impl Access {
    /// A token that lasts at least five minutes more; the same as long as it does.
    ///
    /// # Errors
    /// [`PollFailure`], in words for the owner of the account.
    pub async fn token(&self) -> Result<SecretString, PollFailure> {
        let shared = &self.supervisor.shared;
        let network = &shared.parts.network;
        let fresh = match &self.tokens {
            Source::Stored(connector) => connector.access_token(shared, network).await,
            Source::Given(tokens) => tokens.fresh(network).await.map_err(Into::into),
        };
        Ok(fresh.map_err(|failure| failure.told())?.token)
    }
}
