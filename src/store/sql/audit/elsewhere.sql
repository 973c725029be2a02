-- Payments for $1 regions that were confirmed from $2 to $3 and that went to no account that two persons said is the hospital's; at most $4.
-- By the day on which we posted them: the bank's file says another day as it likes.
SELECT k.file_id, k.line_no, l.statement_id, l.hospital_code, c.insured_region AS region, k.paid_fen AS amount_fen, w.why, f.made_by,
    k.confirmed_by
FROM payment_confirmation k
JOIN payment_line l USING (file_id, line_no)
JOIN payment_file f USING (file_id)
LEFT JOIN posting p ON p.posting_id = k.posting_id
LEFT JOIN clearing_statement c ON c.statement_id = l.statement_id
LEFT JOIN hospital_account h ON h.hospital_code = l.hospital_code AND h.account_no = l.account_no
CROSS JOIN LATERAL (SELECT CASE WHEN c.hospital_code IS DISTINCT FROM l.hospital_code THEN 'other_hospital'
    WHEN h.account_no IS NULL THEN 'unknown' WHEN h.confirmed_at IS NULL OR f.made_at < h.confirmed_at THEN 'unconfirmed'
    WHEN h.bank_code <> k.bank_code THEN 'other_bank'
    WHEN EXISTS (SELECT FROM hospital_account n WHERE n.hospital_code = l.hospital_code AND l.account_no < n.account_no
        AND n.confirmed_at < f.made_at) THEN 'replaced' END AS why) w
WHERE coalesce(p.accounting_day, (k.confirmed_at AT TIME ZONE 'Asia/Shanghai')::date) BETWEEN $2 AND $3 AND 0 < k.paid_fen
    AND w.why IS NOT NULL
    AND ($1::text[] IS NULL OR EXISTS (SELECT FROM unnest($1::text[]) AS r(region)
        WHERE region_lies_in(coalesce(c.insured_region, f.paying_region), r.region)))
ORDER BY k.file_id, k.line_no
LIMIT $4::bigint
