-- The books from $1 to $2 of $3 regions, $4 hospital, $5 fund and $6 entry, by $7: what was debited, credited, and the sum.
SELECT CASE $7 WHEN 'account' THEN concat_ws(' ', l.account, nullif(l.fund, ''), l.region, nullif(l.counterparty, ''))
        WHEN 'kind' THEN l.account WHEN 'day' THEN l.accounting_day::text WHEN 'region' THEN l.region WHEN 'hospital' THEN l.hospital_code
        WHEN 'fund' THEN l.fund ELSE l.entry_id END AS key,
    coalesce(sum(l.amount_fen) FILTER (WHERE 0 < l.amount_fen), 0)::bigint AS debit_fen,
    coalesce(sum(-l.amount_fen) FILTER (WHERE l.amount_fen < 0), 0)::bigint AS credit_fen
FROM ledger_line l
WHERE ($1::date IS NULL OR $1 <= l.accounting_day) AND ($2::date IS NULL OR l.accounting_day <= $2)
    AND ($3::text[] IS NULL OR EXISTS (SELECT FROM unnest($3::text[]) AS r(region) WHERE region_lies_in(l.region, r.region)))
    AND ($4::text IS NULL OR l.hospital_code = $4) AND ($5::text IS NULL OR l.fund = $5) AND ($6::text IS NULL OR l.entry_id = $6)
GROUP BY 1
ORDER BY 1
LIMIT $8::bigint
