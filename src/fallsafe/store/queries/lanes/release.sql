-- Gives a lane back at a clean stop.
UPDATE lanes SET leased_until = '-infinity' WHERE lane = %(lane)s AND fence = %(fence)s
