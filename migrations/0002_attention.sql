-- What a person should look at. `surface_id` is the surface of its conversation.
CREATE TABLE attention_items (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    surface_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    created_at bigint NOT NULL,
    resolved_at bigint,
    reason text,
    PRIMARY KEY (tenant_id, id)
)
-- sqlite: WITHOUT ROWID
;
CREATE INDEX attention_items_of_conversation ON attention_items (tenant_id, conversation_id);
CREATE INDEX attention_items_of_surface ON attention_items (tenant_id, surface_id);
CREATE INDEX attention_items_open ON attention_items (tenant_id, id) WHERE status = 'open';
