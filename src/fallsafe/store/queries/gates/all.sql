-- The gate number of each downstream.
SELECT system, gate FROM gates ORDER BY gate
