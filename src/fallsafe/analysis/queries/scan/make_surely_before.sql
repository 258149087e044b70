-- Whether one time is before another beyond doubt: on the nights when clocks are set back, local times of one hour run
-- twice, and an hour there proves nothing unless the file says which one it was.
CREATE MACRO surely_before(one, other) AS
    one < other AND NOT (
        {naive} AND other - one <= INTERVAL 1 HOUR
        AND dayofweek({local}) = 0 AND month({local}) IN (3, 10, 11) AND hour({local}) < 4
    )
