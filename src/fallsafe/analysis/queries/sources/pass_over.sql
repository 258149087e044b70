-- A row that does not fit is passed over: it was, or will be, accounted for.
ignore_errors = true
