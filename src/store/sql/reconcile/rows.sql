-- The rows of both sides, those of one pair together: in the order of pair, settled before reversed, ours before theirs, and lines.
--
-- $1 statement, $2 first day, $3 last day, $4 hospital, $5 and $6 the regions from and to, $7 scheme, $8 clearing type, $9 the kinds
-- of care that are of it where none is recorded, $10 clearing agency, $11 payer, $12 refund. What is null is not looked at.
--
-- A reversal of theirs may bear the id of the reversal or of what it undoes; either is put beside ours.
WITH ours AS (
    SELECT coalesce(s.reverses_settlement_id, s.settlement_id) AS pair_id, s.settlement_id,
        s.reverses_settlement_id IS NOT NULL AS refund, s.stay_id, s.request_id, s.total_fen,
        CASE WHEN $11::text IS NULL THEN s.fund_pay_total_fen ELSE
            (SELECT coalesce(sum(l.fen), 0)::bigint FROM unnest(s.payer, s.pay_fen) AS l(payer, fen) WHERE l.payer = $11) END AS fund_fen,
        s.account_pay_fen AS account_fen, s.accounting_day
    FROM settlement s
    WHERE s.accounting_day BETWEEN $2::date AND $3::date
        AND ($4::text IS NULL OR s.hospital_code = $4)
        AND ($5::text IS NULL OR s.insured_region BETWEEN $5 AND $6::text)
        AND ($7::text IS NULL OR s.scheme = $7)
        AND ($8::text IS NULL OR s.clearing_type = $8 OR (s.clearing_type = '' AND s.care_type = ANY ($9::text[])))
        AND ($10::text IS NULL OR s.clearing_agency = $10)
        AND ($11 IS NULL OR $11 = ANY (s.payer))
        AND ($12::boolean IS NULL OR (s.reverses_settlement_id IS NOT NULL) = $12)
)
SELECT b.*
FROM (
    SELECT o.pair_id, o.refund, true AS is_ours, 0::bigint AS line, o.settlement_id, o.stay_id, o.request_id,
        NULL::text AS person_number, o.total_fen, o.fund_fen, o.account_fen, o.accounting_day
    FROM ours o
    UNION ALL
    SELECT coalesce(o.pair_id, t.settlement_id), t.refund, false, t.line, t.settlement_id, t.stay_id, NULL,
        t.person_number, t.total_fen, t.fund_fen, t.account_fen, NULL
    FROM statement_row t LEFT JOIN ours o ON t.refund AND o.refund AND o.settlement_id = t.settlement_id
    WHERE t.statement_key = $1
) b
ORDER BY b.pair_id COLLATE "C", b.refund, b.is_ours DESC, b.line
