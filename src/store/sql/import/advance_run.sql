-- Counts a batch, in its own transaction.
UPDATE import_run
SET rows_durable = rows_durable + $2 + $3 + $4 + $5, added = added + $2, changed = changed + $3,
    unchanged = unchanged + $4, rejected = rejected + $5
WHERE import_id = $1
