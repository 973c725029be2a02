-- Has the totals that were told beside a file this time, for as long as the statement is not closed. $1 key, $2 to $5 the totals.
UPDATE statement SET told_rows = $2, told_total_fen = $3, told_fund_fen = $4, told_account_fen = $5
WHERE statement_key = $1 AND state <> 'closed'
    AND (told_rows, told_total_fen, told_fund_fen, told_account_fen) IS DISTINCT FROM ($2, $3, $4, $5)
