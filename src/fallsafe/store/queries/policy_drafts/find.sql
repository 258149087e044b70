-- The open draft of a set of this name.
SELECT id, name, version, state, files, edited_at, edited_by, reason FROM policy_drafts WHERE name = %(name_)s AND state = 'draft'
