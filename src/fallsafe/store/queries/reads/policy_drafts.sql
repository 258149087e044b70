-- The open drafts without their files, by name.
SELECT id, name, version, state, edited_at, edited_by, reason FROM policy_drafts WHERE state = 'draft' ORDER BY name LIMIT %(limit)s
