-- Whether ids of tasks come more than once.
SELECT count(task_id) AS rows, approx_count_distinct(task_id) AS ids FROM event
