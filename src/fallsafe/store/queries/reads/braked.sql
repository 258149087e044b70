-- The open cases that say that a detector finds too much.
SELECT id, case_key FROM cases WHERE order_id = 0 AND code = 'DETECTOR_BRAKED'
  AND state IN ('detected', 'classified', 'assigned', 'diagnosing', 'repairing', 'revalidating') ORDER BY id
