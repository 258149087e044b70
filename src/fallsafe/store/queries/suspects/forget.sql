-- Orders that came to their end in spite of the suspicion.
DELETE FROM suspects s USING orders o WHERE o.id = s.order_id AND s.set_aside_at IS NULL
    AND o.state IN ('rejected', 'cancelled', 'completed', 'failed', 'partial') RETURNING s.order_id
