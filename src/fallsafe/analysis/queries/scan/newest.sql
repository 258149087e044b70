-- The newest time that is believed: as of it everything is judged, unless somebody says otherwise.
SELECT max(ts) FROM event WHERE ts BETWEEN $first AND $limit
