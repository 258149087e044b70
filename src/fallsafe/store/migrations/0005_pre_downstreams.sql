-- What is known of each downstream that anything went wrong with: whether it is sent to, and who tries whether it works.
CREATE TABLE downstreams (
    system text PRIMARY KEY,
    gate smallint NOT NULL UNIQUE,
    state text NOT NULL,
    since timestamptz,
    changed_at timestamptz,
    why text NOT NULL,
    failures integer NOT NULL,
    probes integer NOT NULL,
    canary bigint,
    look_at timestamptz,
    moves integer NOT NULL
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE, DELETE ON downstreams TO fallsafe_app;
