-- A draft as it is now; a closed one is never opened again.
INSERT INTO policy_drafts (id, name, version, state, files, edited_at, edited_by, reason)
VALUES (%(id)s, %(name_)s, %(version)s, %(state)s, %(files)s::jsonb, %(now)s, %(by)s, %(reason)s)
ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state, files = excluded.files,
    edited_at = excluded.edited_at, edited_by = excluded.edited_by, reason = excluded.reason
WHERE policy_drafts.state = 'draft' AND policy_drafts.version = excluded.version - 1
