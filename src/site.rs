//! What the daemon and the commands beside it stand on: data directory, store, sealer, tenants and
//! API keys. It opens and makes these; it serves nothing.

mod declared;

pub use declared::DeclaredError;

use crate::blobs::{BlobError, Blobs};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Encryption};
use crate::ids::{Entropy, Ids, KeyId, SystemEntropy, TenantId};
use crate::ingest::Pipeline;
use crate::notify::Wake;
use crate::secret::{EncryptionKey, Sealer, SecretError, hash_key, new_api_key};
use crate::store::keys::ApiKey;
use crate::store::{Store, StoreError, StoreOptions};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The tenant of whoever names none.
pub const DEFAULT_TENANT: &str = "default";
/// Every scope there is (api.md).
pub const SCOPES: &[&str] = &[
    "messaging:read",
    "messaging:write",
    "surfaces:read",
    "surfaces:write",
    "conversations:read",
    "conversations:write",
    "admin",
];
/// The generated key file's name in the data directory.
pub const KEY_FILE: &str = "encryption.key";
/// The folder of raw sources and attachments in the data directory.
const BLOBS_FOLDER: &str = "blobs";

/// Why a site cannot be opened or a key not be made.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The data directory cannot be made or used.
    #[error("the data directory {path}: {source}", path = .path.display())]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// PostgreSQL without a configured encryption key.
    #[error(
        "workers that share PostgreSQL must share an encryption key: set INLET_ENCRYPTION_KEY (or \
         INLET_ENCRYPTION_KEY_FILE) to 32 random bytes in base64, such as `openssl rand -base64 32` makes"
    )]
    KeyRequired,
    /// A key that is none, or a key file that cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder of raw sources and attachments.
    #[error(transparent)]
    Blobs(#[from] BlobError),
}

/// An opened data directory and store.
#[derive(Debug, Clone)]
pub struct Site {
    /// The configuration that it was opened with.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and randomness.
    pub ids: Ids,
    /// The store; its schema is up to date.
    pub store: Store,
    /// Seals and opens stored secrets.
    pub sealer: Sealer,
    /// Raw sources and attachments, in the data directory.
    pub blobs: Blobs,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct KeyOrder {
    /// The tenant's name; made if it is new.
    pub tenant: String,
    /// A name for people.
    pub name: String,
    /// What it may do; see [`SCOPES`].
    pub scopes: Vec<String>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

impl KeyOrder {
    /// A key with every scope and no end in the default tenant.
    #[must_use]
    pub fn of_everything(name: &str) -> Self {
        Self {
            tenant: DEFAULT_TENANT.to_owned(),
            name: name.to_owned(),
            scopes: SCOPES.iter().map(|scope| (*scope).to_owned()).collect(),
            expires_at: None,
        }
    }
}

/// What the first start of a worker found or made.
#[derive(Debug)]
pub enum FirstKey {
    /// There are keys already; nothing was made.
    Exists,
    /// The configured key (`INLET_API_KEY`) works.
    Configured,
    /// The configured key is stored, but revoked or expired: it does not work.
    ConfiguredButDead,
    /// This one was made, and can be shown only now.
    Made(SecretString),
}

impl Site {
    /// Opens the data directory and the store of a configuration, by the machine's clock and
    /// randomness, and brings the schema up to date.
    ///
    /// # Errors
    /// [`SiteError`], in words for an operator.
    pub async fn open(config: Config) -> Result<Self, SiteError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Self::open_with(config, clock, Arc::new(SystemEntropy::new())).await
    }

    /// The same with a clock and randomness of the caller's.
    ///
    /// # Errors
    /// [`SiteError`].
    pub async fn open_with(
        config: Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, SiteError> {
        make_private_directory(&config.data.dir)?;
        let url = config.store_url();
        let is_shared = !url.expose_secret().starts_with("sqlite:");
        let sealer = open_sealer(&config.encryption, &config.data.dir, is_shared, entropy.clone())?;
        let store = Store::open(&StoreOptions {
            url: url.expose_secret().to_owned(),
            max_connections: config.store.max_connections,
            acquire_timeout_millis: config.store.acquire_timeout_millis,
            statement_timeout_millis: config.store.statement_timeout_millis,
        })
        .await?;
        store.migrate().await?;
        let blobs = Blobs::open(config.data.dir.join(BLOBS_FOLDER))?;
        let ids = Ids::new(clock.clone(), entropy);
        Ok(Self { config: Arc::new(config), ids, clock, store, sealer, blobs })
    }

    /// The pipeline into this site; `wake` is told of every commit.
    #[must_use]
    pub fn pipeline(&self, wake: Wake) -> Pipeline {
        Pipeline::new(self.store.clone(), self.blobs.clone(), self.ids.clone(), self.clock.clone(), wake)
            .with_reply_tokens(self.sealer.reply_tokens())
    }

    /// Makes an API key, and its tenant if that is new. The key itself is kept nowhere.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_key(&self, order: &KeyOrder) -> Result<(KeyId, SecretString), StoreError> {
        let key = new_api_key(&self.ids);
        let id = self.keep_key(order, &key).await?;
        Ok((id, key))
    }

    /// Makes sure that a key works: the configured one, or, where there is no key at all, a new one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ensure_first_key(&self) -> Result<FirstKey, StoreError> {
        let now = self.clock.now();
        let Some(configured) = &self.config.auth.api_key else {
            if !self.store.list_keys(None).await?.is_empty() {
                return Ok(FirstKey::Exists);
            }
            let (_, key) = self.create_key(&KeyOrder::of_everything("first start")).await?;
            return Ok(FirstKey::Made(key));
        };
        match self.store.find_key(&hash_key(configured.expose_secret())).await? {
            Some(key) if key.revoked_at.is_some() || key.expires_at.is_some_and(|end| end <= now) => {
                Ok(FirstKey::ConfiguredButDead)
            }
            Some(_) => Ok(FirstKey::Configured),
            None => {
                self.keep_key(&KeyOrder::of_everything("INLET_API_KEY"), configured).await?;
                Ok(FirstKey::Configured)
            }
        }
    }

    async fn keep_key(&self, order: &KeyOrder, key: &SecretString) -> Result<KeyId, StoreError> {
        let now = self.clock.now();
        let id = self.ids.next();
        let mut tx = self.store.begin().await?;
        let tenant_id = tx.ensure_tenant(&order.tenant, self.ids.next::<TenantId>(), now).await?;
        tx.insert_key(&ApiKey {
            id,
            tenant_id,
            workspace_id: None,
            name: order.name.clone(),
            hash: hash_key(key.expose_secret()),
            scopes: order.scopes.clone(),
            expires_at: order.expires_at,
            revoked_at: None,
            created_at: now,
        })
        .await?;
        tx.commit().await?;
        Ok(id)
    }
}

fn open_sealer(
    settings: &Encryption,
    data_directory: &Path,
    is_shared: bool,
    entropy: Arc<dyn Entropy>,
) -> Result<Sealer, SiteError> {
    let current = match &settings.key {
        Some(key) => EncryptionKey::parse(key.expose_secret(), "INLET_ENCRYPTION_KEY")?,
        None if is_shared => return Err(SiteError::KeyRequired),
        None => EncryptionKey::load_or_create(&data_directory.join(KEY_FILE), entropy.as_ref())?,
    };
    let previous = match &settings.previous_key {
        Some(key) => vec![EncryptionKey::parse(key.expose_secret(), "INLET_ENCRYPTION_KEY_PREVIOUS")?],
        None => Vec::new(),
    };
    Ok(Sealer::new(&current, &previous, entropy))
}

/// Makes the directory if it is not there, for its owner only. One that is there stays as it is.
fn make_private_directory(path: &Path) -> Result<(), SiteError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| SiteError::DataDirectory { path: path.to_owned(), source })
}
