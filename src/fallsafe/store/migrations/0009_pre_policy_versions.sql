-- Which published set is in force since when, by whom and why; and the sets that are still being written.
CREATE TABLE policy_activations (
    serial bigint PRIMARY KEY,
    set_id text NOT NULL REFERENCES policy_sets (id),
    at timestamptz NOT NULL,
    by text NOT NULL,
    reason text NOT NULL
);
INSERT INTO policy_activations SELECT serial, id, published_at, published_by, reason FROM policy_sets;
CREATE TRIGGER policy_activations_append_only BEFORE UPDATE OR DELETE ON policy_activations
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE policy_drafts (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    version integer NOT NULL,
    state text NOT NULL CHECK (state IN ('draft', 'published', 'discarded')),
    files jsonb NOT NULL,
    edited_at timestamptz NOT NULL,
    edited_by text NOT NULL,
    reason text NOT NULL
);
CREATE UNIQUE INDEX policy_drafts_open ON policy_drafts (name) WHERE state = 'draft';

GRANT SELECT, INSERT ON policy_activations TO fallsafe_app;
GRANT SELECT, INSERT, UPDATE ON policy_drafts TO fallsafe_app;
