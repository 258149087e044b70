-- The agenda is written more often than anything else: one index finds an entry by its thing, with its kind or without.
ALTER TABLE agenda DROP CONSTRAINT agenda_pkey, ADD PRIMARY KEY (id, kind);
DROP INDEX agenda_id;
-- An order and its commands move once or twice for each task; with room beside them their indexes need not be touched.
ALTER TABLE orders SET (fillfactor = 50);
ALTER TABLE commands SET (fillfactor = 50);
