SELECT * FROM statement WHERE statement_key = $1
