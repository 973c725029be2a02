-- Payments of statements by $1 region (of either side), to $2 hospital, of $3 scheme, of $4 statement, of $5 file, of files made on the days
-- from $6 to $7, after file $8 and line $9, at most $10; each with what its bank said, and who brought that.
SELECT f.file_id, l.line_no, l.statement_id, l.hospital_code, l.account_no, f.bank_code, l.pay_fen, f.made_by, f.made_at, k.outcome,
    k.paid_fen, k.bank_reference, k.paid_on, k.posting_id, k.confirmed_by, k.confirmed_at
FROM payment_file f
JOIN payment_line l ON l.file_id = f.file_id
JOIN clearing_statement c ON c.statement_id = l.statement_id
LEFT JOIN payment_confirmation k ON k.file_id = l.file_id AND k.line_no = l.line_no
WHERE ($1::text[] IS NULL OR EXISTS (SELECT FROM unnest($1::text[]) AS r(region)
        WHERE region_lies_in(c.treatment_region, r.region) OR region_lies_in(c.insured_region, r.region)))
    AND ($2::text IS NULL OR l.hospital_code = $2) AND ($3::text[] IS NULL OR c.scheme = ANY ($3))
    AND ($4::text IS NULL OR l.statement_id = $4) AND ($5::text IS NULL OR f.file_id = $5)
    AND ($6::date IS NULL OR $6 <= (f.made_at AT TIME ZONE 'Asia/Shanghai')::date)
    AND ($7::date IS NULL OR (f.made_at AT TIME ZONE 'Asia/Shanghai')::date <= $7)
    AND ($8::text IS NULL OR ($8, $9::integer) < (f.file_id, l.line_no))
ORDER BY f.file_id, l.line_no
LIMIT $10::bigint
