-- Work that went to and fro between the same groups: of its hand-overs at least two led back to who had it before last.
SELECT order_id, task_id, meaning, since, teams
FROM (
    SELECT
        order_id, task_id, min(meaning) AS meaning, max(ts) AS since,
        list(team ORDER BY moment) AS teams,
        count(*) FILTER (team = before_last) AS back
    FROM (
        SELECT *, lag(team, 2) OVER (PARTITION BY order_id, item_id, task_id, kind ORDER BY moment) AS before_last
        FROM (
            SELECT *, lag(team) OVER (PARTITION BY order_id, item_id, task_id, kind ORDER BY moment) AS last_team
            FROM happened
            WHERE team IS NOT NULL
                AND (order_id, item_id, task_id, kind) IN (
                    SELECT (order_id, item_id, task_id, kind) FROM task WHERE one_team <> other_team
                )
        )
        WHERE last_team IS DISTINCT FROM team
    )
    GROUP BY order_id, item_id, task_id, kind
)
WHERE back >= 2
ORDER BY order_id, task_id
