SELECT state, rows_bad FROM statement WHERE statement_key = $1 FOR UPDATE
