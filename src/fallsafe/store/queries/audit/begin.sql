-- One snapshot for the whole verification.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY
