INSERT INTO payment_line (file_id, line_no, statement_id, hospital_code, account_no, fund, rest_fen, pay_fen)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
