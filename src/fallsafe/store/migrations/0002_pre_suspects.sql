-- What a worker was doing when it ended with an order in hand, and since when that order is set aside.
ALTER TABLE suspects ADD COLUMN doing text NOT NULL DEFAULT '';
ALTER TABLE suspects ADD COLUMN set_aside_at timestamptz;
