-- Where the ledger has settlements that a statement's days do not show. $1 buckets, $2 ids, $3 payer.
SELECT w.place, s.settlement_id, s.reverses_settlement_id, s.hospital_code, s.insured_region, s.scheme, s.clearing_type,
    s.clearing_agency, s.care_type, s.accounting_day, s.request_id, s.total_fen, s.account_pay_fen,
    CASE WHEN $3::text IS NULL THEN s.fund_pay_total_fen ELSE
        (SELECT coalesce(sum(l.fen), 0)::bigint FROM unnest(s.payer, s.pay_fen) AS l(payer, fen) WHERE l.payer = $3) END AS fund_fen,
    r.settlement_id AS reversal_id, r.accounting_day AS reversal_day, r.request_id AS reversal_request_id
FROM unnest($1::smallint[], $2::text[]) WITH ORDINALITY AS w(bucket, settlement_id, place)
CROSS JOIN LATERAL (
    SELECT * FROM settlement s WHERE s.bucket = w.bucket AND s.settlement_id = w.settlement_id OFFSET 0
) s
LEFT JOIN LATERAL (
    SELECT * FROM settlement r WHERE r.bucket = s.bucket AND r.person_id = s.person_id
        AND r.reverses_settlement_id = s.settlement_id OFFSET 0
) r ON true
