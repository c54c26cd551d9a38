//! All that a batch has to know before it decides, in one statement: which of its messages are here already,
//! where their keys lead, in what state the conversations there are, and which authors are known in them.

use super::dialect::{Rowset, Statement};
use super::ingest::{Identity, ThreadKey, read_state};
use super::participants::participant_key;
use super::{Result, Tx};
use crate::ids::{ConversationId, SurfaceId, TenantId};
use crate::model::conversation::ConversationState;
use crate::model::key::KeyHash;
use std::collections::{HashMap, HashSet};

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wanted<'a> {
    /// The identity of a message.
    Identity(SurfaceId, KeyHash),
    /// A matching key, and the external id of an author who may be known in the conversation that it leads to.
    Key(SurfaceId, KeyHash, Option<&'a str>),
}

/// What was found.
#[derive(Debug, Default)]
pub struct Looked {
    /// As [`Tx::find_identities`] gives them.
    pub identities: Vec<Identity>,
    /// As [`Tx::find_thread_keys`] gives them.
    pub keys: Vec<ThreadKey>,
    /// The conversations that these lead to, locked as by [`Tx::lock_conversations`].
    pub states: HashMap<ConversationId, ConversationState>,
    /// As [`Tx::known_participants`] gives them.
    pub known: HashSet<(ConversationId, String)>,
}

/// What a row tells of.
const IDENTITY: i64 = 0;
const KEY: i64 = 1;
const STATE: i64 = 2;

impl Tx {
    /// Looks for all of `wanted` at once.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn look(&mut self, tenant: TenantId, wanted: &[Wanted<'_>]) -> Result<Looked> {
        let wanted: HashSet<&Wanted<'_>> = wanted.iter().collect();
        let mut wanted: Vec<&Wanted<'_>> = wanted.into_iter().collect();
        wanted.sort_unstable_by_key(|wanted| (wanted.place(), wanted.kind()));
        let rows = Rowset::of(tenant, &wanted)
            .int("kind", |wanted| wanted.kind())
            .uuid("surface_id", |wanted| wanted.place().0.0)
            .hash("key", |wanted| wanted.place().1)
            .maybe_hash("author", |wanted| wanted.author().map(participant_key));
        // An identity whose message is gone is a tombstone.
        let select = Statement::new(
            "WITH {rows}, led AS MATERIALIZED (
                SELECT k.tenant_id, k.surface_id, k.key, k.conversation_id, r.author
                FROM r CROSS JOIN thread_keys k
                WHERE r.kind = 1 AND k.tenant_id = r.tenant_id AND k.surface_id = r.surface_id AND k.key = r.key
             ), state AS MATERIALIZED (
                SELECT c.id, c.surface_id, c.status, c.message_count, c.last_message_at, c.last_direction, c.created_at,
                    c.merged_into, c.continued_by
                FROM led CROSS JOIN conversations c WHERE c.tenant_id = led.tenant_id AND c.id = led.conversation_id
                ORDER BY c.id {for_update:c}
             )
             SELECT CAST(0 AS bigint), i.surface_id, i.key, i.fingerprint, m.id, m.conversation_id, i.taken_back_at, CAST(NULL AS text),
                CAST(NULL AS uuid), CAST(NULL AS text), CAST(NULL AS bigint), CAST(NULL AS bigint),
                CAST(NULL AS text), CAST(NULL AS bigint), CAST(NULL AS uuid), CAST(NULL AS uuid)
             FROM r CROSS JOIN identities i
             LEFT JOIN messages m ON m.tenant_id = i.tenant_id AND m.id = i.message_id
             WHERE r.kind = 0 AND i.tenant_id = r.tenant_id AND i.surface_id = r.surface_id AND i.key = r.key
             UNION ALL
             SELECT 1, led.surface_id, led.key, NULL, NULL, led.conversation_id, NULL, p.external_id,
                NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
             FROM led LEFT JOIN participants p ON p.tenant_id = led.tenant_id
                AND p.conversation_id = led.conversation_id AND p.key = led.author
             UNION ALL
             SELECT 2, NULL, NULL, NULL, NULL, state.id, NULL, NULL, state.surface_id, state.status, state.message_count,
                state.last_message_at, state.last_direction, state.created_at, state.merged_into, state.continued_by
             FROM state",
        );
        let mut looked = Looked::default();
        for row in self.work.fetch(select.rows(rows)).await? {
            let mut fields = row.fields();
            match fields.int()? {
                IDENTITY => looked.identities.push(Identity {
                    surface_id: fields.id()?,
                    key: fields.hash()?,
                    fingerprint: fields.hash()?,
                    message_id: fields.maybe_id()?,
                    conversation_id: fields.maybe_id()?,
                    taken_back_at: fields.maybe_time()?,
                }),
                KEY => {
                    let (surface_id, key) = (fields.id()?, fields.hash()?);
                    fields.skip(2);
                    let conversation_id = fields.id()?;
                    fields.skip(1);
                    looked.keys.push(ThreadKey { surface_id, key, conversation_id });
                    looked.known.extend(fields.maybe_text()?.map(|author| (conversation_id, author)));
                }
                STATE => {
                    fields.skip(4);
                    let id = fields.id()?;
                    fields.skip(2);
                    let state = read_state(id, &mut fields)?;
                    self.know_state(&state);
                    looked.states.insert(id, state);
                }
                _ => {}
            }
        }
        Ok(looked)
    }
}

impl Wanted<'_> {
    fn kind(&self) -> i64 {
        match self {
            Self::Identity(..) => IDENTITY,
            Self::Key(..) => KEY,
        }
    }

    fn place(&self) -> (SurfaceId, KeyHash) {
        match self {
            Self::Identity(surface, key) | Self::Key(surface, key, _) => (*surface, *key),
        }
    }

    fn author(&self) -> Option<&str> {
        match self {
            Self::Identity(..) => None,
            Self::Key(_, _, author) => *author,
        }
    }
}
