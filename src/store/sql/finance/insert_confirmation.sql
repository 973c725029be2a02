INSERT INTO payment_confirmation (file_id, line_no, bank_code, outcome, paid_fen, bank_reference, paid_on, posting_id, content_sha256,
    confirmed_by, confirmed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
