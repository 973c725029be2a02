-- What hospitals of $1 region settled for persons insured elsewhere, in $2 region or anywhere, from $3 to $4: after the day $5 and the
-- settlement $6, at most $7. [3260]
SELECT s.settlement_id, s.reverses_settlement_id, s.hospital_code, s.insured_region, s.treatment_region, s.scheme, s.accounting_day,
    s.total_fen, s.fund_pay_total_fen, s.account_pay_fen, c.statement_id, coalesce(c.state, 'open') AS state
FROM settlement s
LEFT JOIN clearing_statement c ON c.hospital_code = s.hospital_code AND c.insured_region = s.insured_region AND c.scheme = s.scheme
    AND c.clearing_type = s.clearing_type AND c.state <> 'withdrawn' AND s.accounting_day BETWEEN c.first_day AND c.last_day
WHERE region_lies_in(s.treatment_region, $1) AND ($2::text IS NULL OR region_lies_in(s.insured_region, $2))
    AND pool_of(s.insured_region) <> pool_of(s.treatment_region) AND s.accounting_day BETWEEN $3 AND $4
    AND ($5::date IS NULL OR ($5, $6::text) < (s.accounting_day, s.settlement_id))
ORDER BY s.accounting_day, s.settlement_id
LIMIT $7::bigint
