-- Actions that policy lets run by themselves: whether somebody lets them, and since when. Everything else is counted.
CREATE TABLE automations (
    id bigint PRIMARY KEY,
    action text NOT NULL UNIQUE,
    state text NOT NULL,
    why text NOT NULL,
    switched_by text NOT NULL,
    switched_at timestamptz NOT NULL,
    moves integer NOT NULL
);
CREATE INDEX repairs_run ON repairs (action, run_at) WHERE run_at IS NOT NULL;

GRANT SELECT, INSERT, UPDATE ON automations TO fallsafe_app;
