-- People: the owner groups that they work for, their password (only what proves it), and whether they have left; the
-- groups stand in their tokens, too.
ALTER TABLE people
    ADD COLUMN groups text[] NOT NULL DEFAULT '{*}',
    ADD COLUMN password text NOT NULL DEFAULT '',
    ADD COLUMN wrong_in_a_row integer NOT NULL DEFAULT 0,
    ADD COLUMN locked_until timestamptz,
    ADD COLUMN left_at timestamptz,
    ADD COLUMN version integer NOT NULL DEFAULT 1;
ALTER TABLE tokens ADD COLUMN groups text[] NOT NULL DEFAULT '{*}';
CREATE INDEX tokens_of_person ON tokens (person) WHERE revoked_at IS NULL;
