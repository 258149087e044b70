-- Whether days or months stand first in a column of dates, where a sample left it open: only one reading fits all rows.
SELECT count({day_first}) AS day_first, count({month_first}) AS month_first
FROM {relation}
