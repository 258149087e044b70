-- What each phrase of the files means. `kind` numbers the kinds of work (0 = the order itself), `code` is the word,
-- `step` the milestone of an order's life, `bit` its place in masks of what has happened.
CREATE TABLE meaning AS
SELECT
    unnest($no)::SMALLINT AS no,
    unnest($type)::VARCHAR AS type,
    unnest($raw)::VARCHAR AS raw,
    unnest($kind)::SMALLINT AS kind,
    unnest($name)::VARCHAR AS name,
    unnest($code)::TINYINT AS code,
    unnest($step)::TINYINT AS step,
    unnest($bit)::BIGINT AS bit,
    unnest($kind_bit)::BIGINT AS kind_bit
