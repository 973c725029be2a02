SELECT line, reason, column_name FROM statement_bad_row WHERE statement_key = $1 ORDER BY line LIMIT $2
