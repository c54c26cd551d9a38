//! Surfaces that the configuration declares: made or changed at start until they are as it says. One that is declared
//! no more stays as it is, with its conversations: a file that was cut short must not delete anything.

use super::Site;
use crate::channel::{Channel, resolve_environment};
use crate::config::DeclaredSurface;
use crate::ids::{SurfaceId, TenantId};
use crate::model::JsonMap;
use crate::model::key::KeyHash;
use crate::model::surface::Surface;
use crate::secret::SecretError;
use crate::store::StoreError;

/// Why the declared surfaces cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DeclaredError {
    /// A declaration is wrong.
    #[error("[[surfaces]] \"{name}\": `{key}` {problem}")]
    Invalid {
        /// The surface's name.
        name: String,
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What is stored was sealed with another key.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Site {
    /// Brings every declared surface into the store; gives how many were made or changed. `variable` reads the
    /// environment that `env:NAME` stands for in secrets. Nothing is written before every declaration is found good.
    ///
    /// # Errors
    /// [`DeclaredError`]; it names surface and key, never a value.
    pub async fn declare_surfaces(
        &self,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<usize, DeclaredError> {
        let declared = self.config.surfaces.iter().map(|surface| checked(surface, variable));
        let declared: Vec<DeclaredSurface> = declared.collect::<Result<_, _>>()?;
        let mut changes = 0;
        for surface in &declared {
            // Two workers that start at once make one surface: its id follows from its name, and who comes second
            // finds it.
            let changed = match self.declare(surface).await {
                Err(DeclaredError::Store(error)) if error.may_retry() => self.declare(surface).await?,
                other => other?,
            };
            changes += usize::from(changed);
        }
        Ok(changes)
    }

    async fn declare(&self, declared: &DeclaredSurface) -> Result<bool, DeclaredError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let tenant = tx.ensure_tenant(&declared.tenant, self.ids.next::<TenantId>(), now).await?;
        tx.commit().await?;
        let Some(stored) = self.store.find_surface_by_name(tenant, &declared.name).await? else {
            let mut surface = Surface {
                id: id_of(declared),
                name: declared.name.clone(),
                kind: declared.kind.clone(),
                status: declared.status,
                environment: declared.environment.clone(),
                workspace_id: None,
                config: declared.config.clone(),
                inbound: declared.inbound.clone(),
                outbound: declared.outbound.clone(),
                created_at: now,
                updated_at: now,
            };
            self.seal(tenant, &mut surface);
            let mut tx = self.store.begin().await?;
            tx.insert_surface(tenant, &surface).await?;
            tx.commit().await?;
            tracing::info!(surface = %surface.id, name = surface.name, "a declared surface was made");
            return Ok(true);
        };
        let open = |map: &JsonMap| self.sealer.open_map(map, tenant, stored.id);
        let is_same = stored.kind == declared.kind
            && stored.status == declared.status
            && stored.environment == declared.environment
            && open(&stored.config)? == declared.config
            && open(&stored.inbound)? == declared.inbound
            && open(&stored.outbound)? == declared.outbound;
        if is_same {
            return Ok(false);
        }
        let mut surface = Surface {
            kind: declared.kind.clone(),
            status: declared.status,
            environment: declared.environment.clone(),
            config: declared.config.clone(),
            inbound: declared.inbound.clone(),
            outbound: declared.outbound.clone(),
            updated_at: now,
            ..stored
        };
        self.seal(tenant, &mut surface);
        let mut tx = self.store.begin().await?;
        tx.update_surface(tenant, &surface).await?;
        tx.commit().await?;
        tracing::info!(surface = %surface.id, name = surface.name, "a declared surface was changed");
        Ok(true)
    }

    fn seal(&self, tenant: TenantId, surface: &mut Surface) {
        for map in [&mut surface.config, &mut surface.inbound, &mut surface.outbound] {
            self.sealer.seal_map(map, tenant, surface.id);
        }
    }
}

/// The declaration with its secrets in place, if it can be used.
fn checked(
    declared: &DeclaredSurface,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<DeclaredSurface, DeclaredError> {
    let invalid = |key: &str, problem: &str| DeclaredError::Invalid {
        name: declared.name.clone(),
        key: key.to_owned(),
        problem: problem.to_owned(),
    };
    let is_fit = |text: &str, most: usize| !text.trim().is_empty() && text.chars().count() <= most;
    if !is_fit(&declared.name, crate::limits::NAME_CHARS) {
        return Err(invalid("name", "is empty or too long"));
    }
    for (key, text) in [("type", &declared.kind), ("environment", &declared.environment)] {
        if !is_fit(text, crate::limits::WORD_CHARS) {
            return Err(invalid(key, "is empty or too long"));
        }
    }
    let mut declared = declared.clone();
    resolve_environment(&mut declared.inbound, variable);
    if !declared.inbound.is_empty() {
        let mut inbound = declared.inbound.clone();
        // Where it is not said, the address follows from the id; any will do here.
        inbound.entry("publicUrl").or_insert_with(|| "https://inlet.example/v1/webhooks/id".into());
        Channel::compile(&declared.name, &inbound).map_err(|error| invalid(&error.key, &error.problem))?;
    }
    Ok(declared)
}

/// The id of a surface that is made of a declaration: in the form of a UUIDv7 of the first of January 2024, the rest
/// from tenant and name.
fn id_of(declared: &DeclaredSurface) -> SurfaceId {
    let hash = KeyHash::of(&[b"declared surface", declared.tenant.as_bytes(), declared.name.as_bytes()]);
    let mut random = [0; 10];
    for (to, from) in random.iter_mut().zip(hash.0) {
        *to = from;
    }
    SurfaceId(uuid::Builder::from_unix_timestamp_millis(1_704_067_200_000, &random).into_uuid())
}
