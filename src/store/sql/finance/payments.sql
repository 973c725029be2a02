-- The payments of file $1, with what they are of.
SELECT f.paying_region, f.bank_code, f.content_sha256, f.made_by, f.made_at, l.line_no, l.statement_id, l.hospital_code, l.account_no, l.fund,
    l.rest_fen, l.pay_fen, h.account_sealed, k.line_no IS NOT NULL AS confirmed
FROM payment_file f
JOIN payment_line l ON l.file_id = f.file_id
JOIN hospital_account h ON h.hospital_code = l.hospital_code AND h.account_no = l.account_no
LEFT JOIN payment_confirmation k ON k.file_id = l.file_id AND k.line_no = l.line_no
WHERE f.file_id = $1
ORDER BY l.line_no
