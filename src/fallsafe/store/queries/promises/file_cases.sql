-- Which troubles of whole files were ever somebody's, by the key of the case.
SELECT case_key FROM cases WHERE order_id = 0 OR order_id IS NULL
