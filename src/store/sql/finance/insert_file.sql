INSERT INTO payment_file (file_id, paying_region, bank_code, lines, total_fen, content_sha256, made_by, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
