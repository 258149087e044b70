-- A row that does not fit is kept aside with its reason, never lost.
store_rejects = true,
    rejects_table = {rejects},
    rejects_scan = {scans},
    rejects_limit = 0
