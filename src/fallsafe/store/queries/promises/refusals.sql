-- How often something was refused about a command: each refusal that a person was told is written down.
SELECT count(*) AS refusals FROM journal WHERE thing = 'command' AND thing_id = %(id)s AND verb LIKE 'refuse_%%'
