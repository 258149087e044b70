-- The words by which a case is found: its code, what the other side said, where it failed, what its order is called and
-- who ordered. They never change, so they stand in a row of their own: a case that moves costs nothing here.

CREATE TABLE case_words (
    case_id bigint PRIMARY KEY,
    words tsvector NOT NULL
);

-- Signs part words, whatever they are to a parser of prose: PRV.activateService is two words. The code is also one word
-- as a whole, behind a sign that no other word has.
CREATE FUNCTION words_of(code text, said text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('simple'::regconfig, translate(left(said, 4000), '-_./:;,@#&+=*|\<>()[]{}"''`~$%^!?', repeat(' ', 32)))
           || array_to_tsvector(ARRAY['=' || lower(left(code, 500))])
$$;

CREATE FUNCTION note_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO case_words
    SELECT k.id, words_of(k.code, concat_ws(' ', k.code, o.source, o.external_id, o.customer_ref, k.system, k.operation, k.raw_code, k.raw_message))
    FROM after_it k LEFT JOIN orders o ON o.id = k.order_id;
    RETURN NULL;
END $$;
CREATE TRIGGER cases_named AFTER INSERT ON cases REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION note_words();

INSERT INTO case_words
SELECT k.id, words_of(k.code, concat_ws(' ', k.code, o.source, o.external_id, o.customer_ref, k.system, k.operation, k.raw_code, k.raw_message))
FROM cases k LEFT JOIN orders o ON o.id = k.order_id;
-- What waits to be put in its place is read through by every search: no more than this.
CREATE INDEX case_words_found ON case_words USING gin (words) WITH (gin_pending_list_limit = 256);

GRANT SELECT, INSERT ON case_words TO fallsafe_app;
