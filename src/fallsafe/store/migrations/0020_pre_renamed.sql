-- A case that a person judges to be something else is found by its new code. Whatever else moves of a case costs nothing
-- here.

CREATE FUNCTION note_new_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE case_words w
    SET words = words_of(NEW.code, concat_ws(' ', NEW.code, o.source, o.external_id, o.customer_ref, NEW.system, NEW.operation, NEW.raw_code, NEW.raw_message))
    FROM (SELECT 1) always LEFT JOIN orders o ON o.id = NEW.order_id
    WHERE w.case_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER cases_renamed AFTER UPDATE ON cases
    FOR EACH ROW WHEN (OLD.code IS DISTINCT FROM NEW.code) EXECUTE FUNCTION note_new_words();

GRANT UPDATE ON case_words TO fallsafe_app;
