-- Moves how far a statement is taken, in the transaction of its rows. $1 key, $2 where it was, $3 where it is, $4 bad rows more.
UPDATE statement SET rows_durable = $3, rows_bad = rows_bad + $4,
    state = CASE WHEN $3 = file_rows THEN 'received' ELSE state END
WHERE statement_key = $1 AND rows_durable = $2 AND state = 'receiving'
RETURNING state
