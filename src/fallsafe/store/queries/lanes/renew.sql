-- Keeps a lane that had nothing to write.
UPDATE lanes SET leased_until = %(until)s WHERE lane = %(lane)s AND fence = %(fence)s
