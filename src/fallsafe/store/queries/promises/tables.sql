-- The tables of an installation, so that a simulated world can be begun anew and put back to an earlier moment.
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname NOT LIKE 'alembic%%' AND c.relname NOT LIKE '%%schema%%'
ORDER BY c.relname
