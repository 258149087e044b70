-- The newest answer to each question of a look.
SELECT DISTINCT ON (command_id) command_id, id, sealed FROM evidence
WHERE order_id = %(order_id)s AND command_id = ANY(%(commands)s) AND kind = 'answer' ORDER BY command_id, id DESC
