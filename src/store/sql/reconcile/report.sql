SELECT * FROM statement_class WHERE statement_key = $1
