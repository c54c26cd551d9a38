//! Surfaces.

use super::{Result, Store, Tx};
use crate::ids::{SurfaceId, TenantId};
use crate::model::page::{Page, Walk};
use crate::model::surface::{Surface, SurfaceStatus};
use jiff::Timestamp;

/// Which surfaces a list shows. Order: `created_at` descending, then id descending.
#[derive(Debug, Clone, Default)]
pub struct SurfaceFilter {
    /// Only this type.
    pub kind: Option<String>,
    /// Only this status.
    pub status: Option<SurfaceStatus>,
    /// Only this environment.
    pub environment: Option<String>,
    /// Only this workspace.
    pub workspace_id: Option<String>,
}

/// Where a page of surfaces begins: the sort key of a row at its border, which is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurfaceCursor {
    /// Which way to walk.
    pub walk: Walk,
    /// `created_at` of the border row.
    pub created_at: Timestamp,
    /// Its id.
    pub id: SurfaceId,
}

impl Store {
    /// One surface.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_surface(&self, _tenant: TenantId, _id: SurfaceId) -> Result<Option<Surface>> {
        todo!()
    }

    /// A surface of any tenant: this is how a webhook request finds its tenant.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_surface(&self, _id: SurfaceId) -> Result<Option<(TenantId, Surface)>> {
        todo!()
    }

    /// The surface of that name (the oldest, if several bear it).
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_surface_by_name(&self, _tenant: TenantId, _name: &str) -> Result<Option<Surface>> {
        todo!()
    }

    /// One page of surfaces; `limit` is at most [`crate::limits::PAGE_ROWS`].
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_surfaces(
        &self,
        _tenant: TenantId,
        _filter: &SurfaceFilter,
        _cursor: Option<SurfaceCursor>,
        _limit: usize,
    ) -> Result<Page<Surface>> {
        todo!()
    }
}

impl Tx {
    /// Keeps a new surface.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_surface(&mut self, _tenant: TenantId, _surface: &Surface) -> Result<()> {
        todo!()
    }

    /// One surface, locked until the end of the transaction.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn lock_surface(&mut self, _tenant: TenantId, _id: SurfaceId) -> Result<Option<Surface>> {
        todo!()
    }

    /// Replaces every column of the surface but its id and `created_at`.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn update_surface(&mut self, _tenant: TenantId, _surface: &Surface) -> Result<()> {
        todo!()
    }

    /// Deletes a surface with everything on it: conversations, messages, attachments, keys of
    /// matching, cursors, ledger, deliveries, dead letters. `false` if there was none.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn delete_surface(&mut self, _tenant: TenantId, _id: SurfaceId) -> Result<bool> {
        todo!()
    }
}
