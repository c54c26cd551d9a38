-- When the author took a message back that has not come yet: its identity waits for it.
ALTER TABLE identities ADD COLUMN taken_back_at bigint;
CREATE INDEX identities_waiting ON identities (tenant_id, taken_back_at) WHERE taken_back_at IS NOT NULL;
