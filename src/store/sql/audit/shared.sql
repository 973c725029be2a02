-- Accounts of hospitals of $1 regions, confirmed by the end of $3, of which the number is another hospital's too; with what was paid to each
-- from $2 to $3, at most $4.
SELECT h.hospital_code, h.account_no, g.region, o.others, coalesce(paid.fen, 0)::bigint AS amount_fen
FROM hospital_account h
JOIN LATERAL (SELECT g.region FROM hospital g WHERE g.hospital_code = h.hospital_code ORDER BY g.valid_from DESC LIMIT 1) g ON true
JOIN LATERAL (SELECT string_agg(DISTINCT n.hospital_code, ' ' ORDER BY n.hospital_code) AS others FROM hospital_account n
    WHERE n.account_mark = h.account_mark AND n.hospital_code <> h.hospital_code
        AND n.confirmed_at < (($3::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai')) o ON o.others IS NOT NULL
CROSS JOIN LATERAL (SELECT sum(k.paid_fen) AS fen FROM payment_line l JOIN payment_confirmation k USING (file_id, line_no)
    LEFT JOIN posting p ON p.posting_id = k.posting_id
    WHERE l.hospital_code = h.hospital_code AND l.account_no = h.account_no
        AND coalesce(p.accounting_day, (k.confirmed_at AT TIME ZONE 'Asia/Shanghai')::date) BETWEEN $2 AND $3) paid
WHERE h.confirmed_at < (($3::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai')
    AND ($1::text[] IS NULL OR EXISTS (SELECT FROM unnest($1::text[]) AS r(region) WHERE region_lies_in(g.region, r.region)))
ORDER BY h.hospital_code, h.account_no
LIMIT $4::bigint
