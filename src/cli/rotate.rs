//! `inlet keys rotate`: seals again, with the current encryption key, what was sealed with the previous one.
//! Surface by surface, each in a transaction of its own, beside running workers; running it again is harmless.

use super::output::{say, say_json};
use crate::ids::TenantId;
use crate::model::page::Walk;
use crate::model::surface::Surface;
use crate::secret::Sealer;
use crate::site::Site;
use crate::store::surfaces::{SurfaceCursor, SurfaceFilter};
use anyhow::Context as _;
use clap::Args as ClapArgs;
use serde_json::json;
use std::collections::BTreeSet;

/// Surfaces read at once.
const PAGE: usize = crate::limits::PAGE_ROWS;

/// Arguments of `inlet keys rotate`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  INLET_ENCRYPTION_KEY=new INLET_ENCRYPTION_KEY_PREVIOUS=old inlet keys rotate\n\nStart the \
                      workers with both keys first; when this is done, start them without the previous one."
)]
pub struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was looked at and what had to be sealed again.
#[derive(Debug, Default)]
struct Count {
    surfaces: u64,
    resealed: u64,
}

pub(super) async fn rotate(site: &Site, arguments: &Arguments) -> anyhow::Result<()> {
    // A tenant is made with its first key, so that every one is among the keys' owners.
    let tenants: BTreeSet<TenantId> =
        site.store.list_keys(None).await?.into_iter().map(|key| key.tenant_id).collect();
    let mut count = Count::default();
    for tenant in tenants {
        rotate_tenant(site, tenant, &mut count).await?;
    }
    let key_id = site.sealer.key_id();
    if arguments.json {
        say_json(&json!({"keyId": key_id, "surfaces": count.surfaces, "resealed": count.resealed}));
    } else {
        say(&format!(
            "{} of {} surfaces were sealed again; all are sealed with key {key_id} now",
            count.resealed, count.surfaces
        ));
    }
    Ok(())
}

async fn rotate_tenant(site: &Site, tenant: TenantId, count: &mut Count) -> anyhow::Result<()> {
    let mut cursor = None;
    loop {
        let page = site.store.list_surfaces(tenant, &SurfaceFilter::default(), cursor, PAGE).await?;
        for surface in &page.rows {
            count.surfaces += 1;
            let again = rotate_surface(site, tenant, surface).await;
            count.resealed += u64::from(again.with_context(|| format!("surface {}", surface.id))?);
        }
        let last = page.rows.last().filter(|_| page.has_next);
        let Some(last) = last else { return Ok(()) };
        cursor = Some(SurfaceCursor { walk: Walk::Forward, created_at: last.created_at, id: last.id });
    }
}

/// Whether anything of the surface had to be sealed again. Whoever changes settings locks the surface.
async fn rotate_surface(site: &Site, tenant: TenantId, surface: &Surface) -> anyhow::Result<bool> {
    let mut tx = site.store.begin().await?;
    let Some(mut locked) = tx.lock_surface(tenant, surface.id).await? else { return Ok(false) };
    let is_resealed = reseal_surface(&site.sealer, tenant, &mut locked)?;
    if is_resealed {
        tx.update_surface(tenant, &locked).await?;
    }
    let mut is_mailbox_resealed = false;
    if let Some(mut mailbox) = site.store.get_mailbox(tenant, surface.id).await? {
        is_mailbox_resealed = site.sealer.reseal_map(&mut mailbox.settings, tenant, surface.id)?;
        if is_mailbox_resealed {
            tx.save_mailbox(&mailbox).await?;
        }
    }
    if is_resealed || is_mailbox_resealed {
        tx.commit().await?;
    }
    Ok(is_resealed || is_mailbox_resealed)
}

fn reseal_surface(sealer: &Sealer, tenant: TenantId, surface: &mut Surface) -> anyhow::Result<bool> {
    let mut is_resealed = false;
    for map in [&mut surface.config, &mut surface.inbound, &mut surface.outbound] {
        is_resealed |= sealer.reseal_map(map, tenant, surface.id)?;
    }
    Ok(is_resealed)
}
