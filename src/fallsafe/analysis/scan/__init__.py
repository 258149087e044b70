"""`fallsafe scan`: says of a stranger's export which orders are stuck, late, contradictory or duplicated, and why
(§6.3, §15).

    with opened() as engine:
        result = scan(engine, ["orders.csv"], Wanted())
        totals = summed(result)

Columns are recognized by name and content (`layout`), rows become events (`reading`), what is usual is learned from
them (`learn`), statements find what is wrong (`find`), and whether an unfinished order has a reason to be where it is,
is asked of the core (`standing`).
"""
