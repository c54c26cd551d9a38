//! What a transaction writes last, in its commit: events and the counts of conversations. Both lock
//! rows that every writer of the tenant wants; so the locks are held only as long as the commit
//! takes, and because everyone takes them at the end and in one order, nobody waits in a circle.
//!
//! Events get their place in the order here, under the lock of the tenant's counter: whoever sees an
//! event sees every event before it, so that a reader who remembers its last one misses none.

use super::dialect::{Rowset, Statement};
use super::outbox::Event;
use super::{Result, Tx, active_minute};
use crate::ids::{ConversationId, SurfaceId, TenantId};
use crate::model::conversation::{Conversation, ConversationStatus};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Where a conversation is counted.
type Shelf = (SurfaceId, ConversationStatus);

/// Where a conversation that this transaction has locked or made stands in the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub surface_id: SurfaceId,
    pub status: ConversationStatus,
    /// See [`active_minute`].
    pub active_minute: i64,
}

impl Standing {
    pub(super) fn of(conversation: &Conversation) -> Self {
        Self {
            surface_id: conversation.surface_id,
            status: conversation.status,
            active_minute: active_minute(conversation.last_message_at),
        }
    }

    fn shelf(self) -> Shelf {
        (self.surface_id, self.status)
    }
}

/// What is written in the commit.
#[derive(Debug, Default)]
pub(super) struct Pending {
    counts: BTreeMap<(TenantId, SurfaceId, &'static str), i64>,
    events: BTreeMap<TenantId, Vec<Event>>,
    standings: HashMap<ConversationId, Standing>,
    /// The conversations that it has made or changed.
    written: HashSet<ConversationId>,
}

impl Pending {
    /// Remembers where a locked conversation stands.
    pub(super) fn know(&mut self, id: ConversationId, standing: Standing) {
        self.standings.insert(id, standing);
    }

    /// Where a locked conversation stands.
    pub(super) fn standing(&self, id: ConversationId) -> Option<Standing> {
        self.standings.get(&id).copied()
    }

    /// Whether this transaction has made or changed the conversation.
    pub(super) fn has_written(&self, id: ConversationId) -> bool {
        self.written.contains(&id)
    }

    /// A conversation has come into being.
    pub(super) fn appear(&mut self, tenant: TenantId, id: ConversationId, standing: Standing) {
        self.count(tenant, standing.shelf(), 1);
        self.know(id, standing);
        self.written.insert(id);
    }

    /// A known conversation has changed its status or its time.
    pub(super) fn shift(
        &mut self,
        tenant: TenantId,
        id: ConversationId,
        status: ConversationStatus,
        active_minute: i64,
    ) {
        let Some(before) = self.standing(id) else { return };
        self.count(tenant, before.shelf(), -1);
        self.appear(tenant, id, Standing { status, active_minute, ..before });
    }

    /// A known conversation was deleted or merged away.
    pub(super) fn vanish(&mut self, tenant: TenantId, id: ConversationId) {
        if let Some(standing) = self.standings.remove(&id) {
            self.count(tenant, standing.shelf(), -1);
        }
    }

    /// Forgets changes to the counts of a surface that is deleted.
    pub(super) fn forget_surface(&mut self, tenant: TenantId, surface: SurfaceId) {
        self.counts.retain(|(of, on, _), _| (*of, *on) != (tenant, surface));
        self.standings.retain(|_, standing| standing.surface_id != surface);
    }

    pub(super) fn tell(&mut self, tenant: TenantId, events: &[Event]) {
        self.events.entry(tenant).or_default().extend_from_slice(events);
    }

    fn count(&mut self, tenant: TenantId, (surface, status): Shelf, by: i64) {
        *self.counts.entry((tenant, surface, status.as_str())).or_default() += by;
    }
}

impl Tx {
    /// Writes what was left for the commit.
    pub(super) async fn settle_pending(&mut self) -> Result<()> {
        let Pending { counts, events, .. } = std::mem::take(&mut self.pending);
        let counts: Vec<_> = counts.into_iter().filter(|(_, by)| *by != 0).collect();
        if !counts.is_empty() {
            let rows = Rowset::of_any_tenant(&counts)
                .uuid("tenant_id", |((tenant, ..), _)| tenant.0)
                .uuid("surface_id", |((_, surface, _), _)| surface.0)
                .text("status", |((.., status), _)| *status)
                .int("change", |(_, by)| *by);
            let count = Statement::new(
                "WITH {rows} INSERT {or_fail} INTO conversation_counts (tenant_id, surface_id, status, conversations)
                 SELECT r.tenant_id, r.surface_id, r.status, r.change FROM r WHERE true
                 ON CONFLICT (tenant_id, surface_id, status)
                 DO UPDATE SET conversations = conversation_counts.conversations + excluded.conversations",
            );
            self.work.write_last("conversation_counts", count.rows(rows)).await?;
        }
        for (tenant, events) in events {
            self.place_events(tenant, &events).await?;
        }
        Ok(())
    }

    async fn place_events(&mut self, tenant: TenantId, events: &[Event]) -> Result<()> {
        let Ok(many) = i64::try_from(events.len()) else { return Ok(()) };
        let advance = Statement::new(
            "INSERT INTO event_places (tenant_id, last_position) VALUES ($1, $2) ON CONFLICT (tenant_id)
             DO UPDATE SET last_position = event_places.last_position + excluded.last_position
             {returning:tenant_id, last_position}",
        );
        self.work.write_last("event_places", advance.bind(tenant).bind(many)).await?;
        let numbered: Vec<(i64, &Event)> = (1..).zip(events).collect();
        let rows = Rowset::of(tenant, &numbered)
            .int("number", |(number, _)| *number)
            .uuid("id", |(_, event)| event.id.0)
            .text("kind", |(_, event)| event.kind.as_str())
            .uuid("surface_id", |(_, event)| event.surface_id.0)
            .uuid("conversation_id", |(_, event)| event.conversation_id.map(|id| id.0))
            .uuid("message_id", |(_, event)| event.message_id.map(|id| id.0))
            .uuid("merged_conversation_id", |(_, event)| event.merged_conversation_id.map(|id| id.0))
            .int("backfill", |(_, event)| i64::from(event.backfill))
            .int("created_at", |(_, event)| event.created_at.as_microsecond());
        let insert = Statement::new(
            "WITH {rows} INSERT {or_fail} INTO events (tenant_id, position, id, kind, surface_id, conversation_id,
                message_id, merged_conversation_id, backfill, created_at)
             SELECT r.tenant_id, p.last_position - $1 + r.number, r.id, r.kind, r.surface_id, r.conversation_id, r.message_id,
                r.merged_conversation_id, r.backfill, r.created_at
             FROM r CROSS JOIN {written:event_places} p WHERE p.tenant_id = r.tenant_id",
        );
        self.work.write_last("events", insert.bind(many).rows(rows)).await
    }
}
