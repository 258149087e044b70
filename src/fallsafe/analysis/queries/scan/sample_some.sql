-- Some rows of a large file, as texts: its head and a fixed choice from all over it, so that two runs see the same.
(SELECT {columns} FROM {relation} LIMIT {head})
UNION ALL
(SELECT {columns} FROM {relation} USING SAMPLE {percent} PERCENT (system, 7))
