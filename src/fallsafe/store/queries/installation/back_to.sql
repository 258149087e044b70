-- When the newest thing happened that the database knows of.
SELECT max(j.at) AS at FROM lanes l JOIN journal j ON j.lane = l.lane AND j.seq = l.seq WHERE l.seq > 0
