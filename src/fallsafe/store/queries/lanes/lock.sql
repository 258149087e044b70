-- The lane head, locked last of all, directly before the records are written.
SELECT fence, seq, link, id_last FROM lanes WHERE lane = %(lane)s FOR UPDATE
