-- What each fund pays of a scope, in the groups of `totals.sql`, whose parameters these are.
SELECT s.hospital_code, s.scheme, s.clearing_type, s.care_type, s.clearing_agency, s.reverses_settlement_id IS NOT NULL AS refund,
    l.payer, sum(l.fen)::bigint AS pay_fen
FROM settlement s CROSS JOIN LATERAL unnest(s.payer, s.books_to, s.pay_fen) AS l(payer, books_to, fen)
WHERE s.accounting_day BETWEEN $1::date AND $2::date
    AND ($3::text IS NULL OR s.hospital_code = $3)
    AND ($4::text IS NULL OR s.insured_region BETWEEN $4 AND $5::text)
    AND ($6::text IS NULL OR s.scheme = $6)
    AND ($7::text IS NULL OR s.clearing_type = $7 OR (s.clearing_type = '' AND s.care_type = ANY ($8::text[])))
    AND ($9::text IS NULL OR s.clearing_agency = $9)
    -- What a hospital bears and what the account pays is no fund's.
    AND CASE WHEN $10::text IS NULL THEN l.books_to NOT IN ('hospital', 'account') ELSE l.payer = $10 END
    AND ($11::boolean IS NULL OR (s.reverses_settlement_id IS NOT NULL) = $11)
GROUP BY 1, 2, 3, 4, 5, 6, 7
ORDER BY 1, 2, 3, 4, 5, 6, 7
