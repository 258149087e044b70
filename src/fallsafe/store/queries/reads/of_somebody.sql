-- What somebody works on, what ended since a time of theirs, and what their groups are to accept or to answer.
(SELECT id FROM cases
 WHERE assignee = %(person)s AND assignee <> ''
   AND (state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating') OR touched_at >= %(since)s)
 ORDER BY id DESC LIMIT %(limit)s)
UNION
(SELECT id FROM cases
 WHERE handling -> 'open' = 'true'
   AND state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating')
   AND (handling -> 'handover' ->> 'by' = %(person)s
        OR %(every)s
        OR (jsonb_typeof(handling -> 'handover') = 'object' AND owner_group = ANY(%(groups)s))
        OR (handling -> 'asked') ?| %(groups)s)
 ORDER BY id DESC LIMIT %(limit)s)
