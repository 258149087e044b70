-- Every draft with its files, to compare with its record.
SELECT id, name, version, state, files FROM policy_drafts ORDER BY id
