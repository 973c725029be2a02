-- Opens a statement, or finds it. Nothing where a statement of the same or a wider scope is closed for one of these days, unless this
-- one was matched before: then it tells its report, and nothing more becomes of it.
--
-- $1 key, $2 hash of the contents, $3 scope, $4 sender, $5 hospital, $6 region, $7 scheme, $8 clearing type, $9 clearing agency,
-- $10 payer, $11 refund, $12 first day, $13 last day, $14 to $17 the totals as told, $18 rows of the file, $19 good ones, $20 to
-- $22 what these come to, $23 whether a hospital sends it.
WITH opened AS (
    INSERT INTO statement (statement_key, content_sha256, scope, sender, hospital_code, insured_region, scheme, clearing_type,
        clearing_agency, payer, refund, first_day, last_day, told_rows, told_total_fen, told_fund_fen, told_account_fen, file_rows,
        file_good_rows, file_total_fen, file_fund_fen, file_account_fen, from_hospital)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23
    WHERE statement_closed_over($5, $6, $7, $8, $9, $10, $11, $12, $13, $23) IS NULL
    ON CONFLICT (statement_key) DO NOTHING
    RETURNING statement_key, rows_durable, state, content_sha256
)
SELECT true AS opened, rows_durable, state, content_sha256 FROM opened
UNION ALL
SELECT false, s.rows_durable, s.state, s.content_sha256 FROM statement s
WHERE s.statement_key = $1 AND NOT EXISTS (SELECT FROM opened)
    AND (s.state IN ('matched', 'closed') OR statement_closed_over($5, $6, $7, $8, $9, $10, $11, $12, $13, $23) IS NULL)
