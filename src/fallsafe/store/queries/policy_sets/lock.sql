-- One publishes at a time, so that the serial has no holes and the newest is never in doubt.
LOCK TABLE policy_sets IN SHARE ROW EXCLUSIVE MODE
