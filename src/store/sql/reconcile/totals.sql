-- What we have of a scope, by hospital, scheme, clearing type, kind of care, agency and whether it is a reversal. Parameters are those
-- of `rows.sql` without the statement.
SELECT s.hospital_code, s.scheme, s.clearing_type, s.care_type, s.clearing_agency, s.reverses_settlement_id IS NOT NULL AS refund,
    count(*) AS rows, sum(s.total_fen)::bigint AS total_fen,
    sum(CASE WHEN $10::text IS NULL THEN s.fund_pay_total_fen ELSE
        (SELECT coalesce(sum(l.fen), 0)::bigint FROM unnest(s.payer, s.pay_fen) AS l(payer, fen) WHERE l.payer = $10) END)::bigint
        AS fund_fen,
    sum(s.account_pay_fen)::bigint AS account_fen
FROM settlement s
WHERE s.accounting_day BETWEEN $1::date AND $2::date
    AND ($3::text IS NULL OR s.hospital_code = $3)
    AND ($4::text IS NULL OR s.insured_region BETWEEN $4 AND $5::text)
    AND ($6::text IS NULL OR s.scheme = $6)
    AND ($7::text IS NULL OR s.clearing_type = $7 OR (s.clearing_type = '' AND s.care_type = ANY ($8::text[])))
    AND ($9::text IS NULL OR s.clearing_agency = $9)
    AND ($10 IS NULL OR $10 = ANY (s.payer))
    AND ($11::boolean IS NULL OR (s.reverses_settlement_id IS NOT NULL) = $11)
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 1, 2, 3, 4, 5, 6
