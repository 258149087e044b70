-- What a source or a rule has found lately, for its brake.
CREATE INDEX signals_received ON signals (received_at);
