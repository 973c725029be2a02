UPDATE statement SET state = 'matched', differences = $2, rows_bad = rows_bad + $3
WHERE statement_key = $1 AND state = 'received'
