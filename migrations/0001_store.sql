-- The whole store, for SQLite and PostgreSQL. A line behind "-- sqlite: " or "-- postgres: " is for
-- that engine alone; SQLite takes the type names as they are and keeps what it is given.
--
-- Times are microseconds since 1970 (UTC), flags 0 or 1, hashes raw bytes, JSON is text. Every key
-- leads with the tenant. Small tables under random keys are WITHOUT ROWID on SQLite: one tree, not two.

CREATE TABLE tenants (
    id uuid NOT NULL PRIMARY KEY,
    name_hash bytea NOT NULL UNIQUE,
    name text NOT NULL,
    created_at bigint NOT NULL
)
-- sqlite: WITHOUT ROWID
;

CREATE TABLE api_keys (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    -- A request knows no tenant before its key is found: the one key without a tenant in front.
    hash bytea NOT NULL UNIQUE,
    workspace_id text,
    name text NOT NULL,
    scopes text NOT NULL,
    expires_at bigint,
    revoked_at bigint,
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
)
-- sqlite: WITHOUT ROWID
;

CREATE TABLE surfaces (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    environment text NOT NULL,
    workspace_id text,
    config text NOT NULL,
    inbound text NOT NULL,
    outbound text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
-- A webhook request names a surface and no tenant.
CREATE UNIQUE INDEX surfaces_by_id ON surfaces (id);
CREATE INDEX surfaces_in_order ON surfaces (tenant_id, created_at, id);

CREATE TABLE conversations (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    surface_id uuid NOT NULL,
    status text NOT NULL,
    -- The least number of 64 bits stands for "no message yet": last in the order of the lists.
    last_message_at bigint NOT NULL,
    -- Minutes since 1970 of `last_message_at`, which the lists are indexed by: within a minute a busy
    -- conversation moves in no index, and PostgreSQL keeps its new row beside the old one.
    active_minute bigint NOT NULL,
    message_count bigint NOT NULL,
    last_direction text,
    external_thread_id text,
    external_participant_id text,
    participant_name text,
    participant_email text,
    subject text,
    timezone text,
    agent_mode text NOT NULL,
    takeover_at bigint,
    takeover_actor_id text,
    takeover_actor_type text,
    takeover_reason text,
    merged_into uuid,
    merged_at bigint,
    continued_by uuid,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    -- Lower-cased subject, name and address, one a line.
    search_text text NOT NULL,
    context text NOT NULL,
    participant_metadata text NOT NULL,
    PRIMARY KEY (tenant_id, id)
)
-- sqlite: WITHOUT ROWID
-- postgres: WITH (fillfactor = 80)
;
-- There are three statuses: a list of all is three walks along these.
CREATE INDEX conversations_of_tenant ON conversations (tenant_id, status, active_minute)
    WHERE merged_into IS NULL;
CREATE INDEX conversations_of_surface ON conversations (tenant_id, surface_id, status, active_minute)
    WHERE merged_into IS NULL;
CREATE INDEX conversations_merged ON conversations (tenant_id, merged_into) WHERE merged_into IS NOT NULL;

-- How many conversations (not counting merged ones) a surface has, so that a page knows its total.
CREATE TABLE conversation_counts (
    tenant_id uuid NOT NULL,
    surface_id uuid NOT NULL,
    status text NOT NULL,
    conversations bigint NOT NULL,
    PRIMARY KEY (tenant_id, surface_id, status)
)
-- sqlite: WITHOUT ROWID
;

CREATE TABLE participants (
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    key bytea NOT NULL,
    external_id text NOT NULL,
    name text,
    email text,
    seen_at bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tenant_id, conversation_id, key)
)
-- sqlite: WITHOUT ROWID
;

CREATE TABLE messages (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    surface_id uuid NOT NULL,
    sent_at bigint NOT NULL,
    created_at bigint NOT NULL,
    role text NOT NULL,
    direction text,
    source_offset bigint,
    source_stored_bytes bigint,
    source_size_bytes bigint,
    source_pack_id uuid,
    external_message_id text,
    in_reply_to text,
    flow_step_result_id text,
    author_id text,
    author_name text,
    author_email text,
    content text NOT NULL,
    content_html text,
    metadata text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX messages_of_conversation ON messages (tenant_id, conversation_id, sent_at, id);
-- postgres: ALTER TABLE messages ALTER COLUMN content SET COMPRESSION lz4;
-- postgres: ALTER TABLE messages ALTER COLUMN content_html SET COMPRESSION lz4;
-- postgres: ALTER TABLE messages ALTER COLUMN metadata SET COMPRESSION lz4;

-- An identity whose message is gone is a tombstone: the message is not taken again.
CREATE TABLE identities (
    tenant_id uuid NOT NULL,
    surface_id uuid NOT NULL,
    key bytea NOT NULL,
    fingerprint bytea NOT NULL,
    message_id uuid,
    PRIMARY KEY (tenant_id, surface_id, key)
)
-- sqlite: WITHOUT ROWID
;

CREATE TABLE thread_keys (
    tenant_id uuid NOT NULL,
    surface_id uuid NOT NULL,
    key bytea NOT NULL,
    conversation_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, surface_id, key)
)
-- sqlite: WITHOUT ROWID
;
CREATE INDEX thread_keys_of_conversation ON thread_keys (tenant_id, conversation_id);

CREATE TABLE attachments (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    message_id uuid NOT NULL,
    position bigint NOT NULL,
    filename text,
    content_type text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 bytea,
    content_id text,
    inline bigint NOT NULL,
    state text NOT NULL,
    source_url text,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX attachments_of_message ON attachments (tenant_id, message_id, position);
CREATE INDEX attachments_of_bytes ON attachments (tenant_id, sha256);

-- Attachments whose bytes are still to be fetched. Workers of all tenants take what is due.
CREATE TABLE media_jobs (
    tenant_id uuid NOT NULL,
    attachment_id uuid NOT NULL,
    surface_id uuid NOT NULL,
    due_at bigint NOT NULL,
    attempts bigint NOT NULL,
    PRIMARY KEY (tenant_id, attachment_id)
)
-- sqlite: WITHOUT ROWID
;
CREATE INDEX media_jobs_due ON media_jobs (due_at, tenant_id, attachment_id);

CREATE TABLE blobs (
    tenant_id uuid NOT NULL,
    sha256 bytea NOT NULL,
    pack_id uuid NOT NULL,
    pack_offset bigint NOT NULL,
    stored_bytes bigint NOT NULL,
    size_bytes bigint NOT NULL,
    created_at bigint NOT NULL,
    -- Since when no attachment points at them; such bytes are not found any more, and forgotten later.
    unused_since bigint,
    PRIMARY KEY (tenant_id, sha256)
)
-- sqlite: WITHOUT ROWID
;
CREATE INDEX blobs_of_pack ON blobs (pack_id);
CREATE INDEX blobs_unused ON blobs (tenant_id, unused_since) WHERE unused_since IS NOT NULL;

CREATE TABLE deliveries (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    surface_id uuid NOT NULL,
    received_at bigint NOT NULL,
    headers text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (tenant_id, surface_id, id)
)
-- sqlite: WITHOUT ROWID
;
-- postgres: ALTER TABLE deliveries ALTER COLUMN body SET COMPRESSION lz4;

CREATE TABLE dead_letters (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    surface_id uuid NOT NULL,
    status text NOT NULL,
    attempts bigint NOT NULL,
    created_at bigint NOT NULL,
    reason text NOT NULL,
    origin text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX dead_letters_of_surface ON dead_letters (tenant_id, surface_id, id);

CREATE TABLE events (
    tenant_id uuid NOT NULL,
    position bigint NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    surface_id uuid NOT NULL,
    conversation_id uuid,
    message_id uuid,
    merged_conversation_id uuid,
    backfill bigint NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, position)
)
-- sqlite: WITHOUT ROWID
;
-- The newest place; taken last in a transaction, so that places become visible in their order.
CREATE TABLE event_places (
    tenant_id uuid NOT NULL PRIMARY KEY,
    last_position bigint NOT NULL
)
-- sqlite: WITHOUT ROWID
;
CREATE UNIQUE INDEX events_by_id ON events (tenant_id, id);

CREATE TABLE mailboxes (
    tenant_id uuid NOT NULL,
    surface_id uuid NOT NULL,
    bucket bigint NOT NULL,
    enabled bigint NOT NULL,
    revision bigint NOT NULL,
    updated_at bigint NOT NULL,
    settings text NOT NULL,
    PRIMARY KEY (tenant_id, surface_id)
);
CREATE INDEX mailboxes_enabled ON mailboxes (bucket, tenant_id, surface_id) WHERE enabled = 1;

CREATE TABLE mailbox_health (
    tenant_id uuid NOT NULL,
    surface_id uuid NOT NULL,
    last_poll_at bigint,
    next_poll_at bigint,
    last_error text,
    error_class text,
    consecutive_errors bigint NOT NULL,
    messages_processed bigint NOT NULL,
    connection text NOT NULL,
    backlog bigint NOT NULL,
    worker text,
    last_success_at bigint,
    -- How each mailbox does, by name.
    mailboxes text NOT NULL,
    PRIMARY KEY (tenant_id, surface_id)
)
-- sqlite: WITHOUT ROWID
;

-- `mailbox_key` is a hash of the name.
CREATE TABLE cursors (
    tenant_id uuid NOT NULL,
    surface_id uuid NOT NULL,
    mailbox_key bytea NOT NULL,
    mailbox text NOT NULL,
    uid_validity bigint NOT NULL,
    last_uid bigint NOT NULL,
    backfill_through_uid bigint NOT NULL,
    resets_in_row bigint NOT NULL,
    rebased_through_uid bigint,
    acted_through_uid bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, surface_id, mailbox_key)
)
-- sqlite: WITHOUT ROWID
;

-- One row for every UID that a server listed.
CREATE TABLE ledger (
    tenant_id uuid NOT NULL,
    surface_id uuid NOT NULL,
    mailbox_key bytea NOT NULL,
    uid_validity bigint NOT NULL,
    uid bigint NOT NULL,
    outcome text NOT NULL,
    message_id uuid,
    PRIMARY KEY (tenant_id, surface_id, mailbox_key, uid_validity, uid)
)
-- sqlite: WITHOUT ROWID
;

-- Mail that a worker is reading now. A row that is found at the start of a task was left by a process that died
-- over that mail.
CREATE TABLE readings (
    tenant_id uuid NOT NULL,
    surface_id uuid NOT NULL,
    mailbox_key bytea NOT NULL,
    uid_validity bigint NOT NULL,
    uid bigint NOT NULL,
    alone bigint NOT NULL,
    deaths bigint NOT NULL,
    PRIMARY KEY (tenant_id, surface_id, mailbox_key)
)
-- sqlite: WITHOUT ROWID
;

-- Buckets of mailboxes, and which worker polls them. No tenant: workers serve all.
CREATE TABLE leases (
    bucket bigint NOT NULL PRIMARY KEY,
    worker uuid,
    epoch bigint NOT NULL,
    expires_at bigint NOT NULL
);

-- Workers that live: as many share the buckets.
CREATE TABLE workers (
    id uuid NOT NULL PRIMARY KEY,
    expires_at bigint NOT NULL
)
-- sqlite: WITHOUT ROWID
;
WITH RECURSIVE buckets (bucket) AS (SELECT 0 UNION ALL SELECT bucket + 1 FROM buckets WHERE bucket < 63)
INSERT INTO leases (bucket, worker, epoch, expires_at) SELECT bucket, NULL, 0, 0 FROM buckets;
