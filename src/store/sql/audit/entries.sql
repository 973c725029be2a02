-- Entries of $1 regions from $2 to $3, of $4 hospital, $5 fund, $6 class and $7 kind of care, as $8 asks: all of them, or those to look at. In
-- the order of their days after $9 and $10, at most $11. $12 to $14: ceilings, by package and payer; $15: in how many parts of ten thousand a
-- poor patient's bill may be out of the catalogue; $16: within how many days a further stay is a repeated one.
SELECT s.settlement_id, s.person_id, s.reverses_settlement_id, s.supersedes_settlement_id, t.because_of_settlement_id, s.hospital_code,
    s.insured_region AS region, s.scheme, s.class, s.care_type AS care, s.accounting_day, s.state, s.total_fen, s.fund_pay_total_fen,
    s.account_pay_fen, s.out_of_catalogue_fen, s.fund_fen, s.reason, s.assumed, s.package_hash, CASE WHEN $8::text = 'assumed' THEN s.record END AS record,
    before.settlement_id AS earlier_settlement_id, before.days AS days_between, near.payer AS near_payer, near.pay_fen AS near_pay_fen,
    near.ceiling_fen AS near_ceiling_fen
FROM (
    SELECT e.*, CASE WHEN cardinality(e.identities_used) < 2 THEN coalesce(e.identities_used[1], '')
            ELSE coalesce(nullif(e.payer_identity[array_position(e.books_to, 'medical_aid')], ''),
                nullif(e.payer_identity[array_position(e.books_to, 'tilted_aid')], ''), e.identities_used[1]) END AS class,
        CASE coalesce($5::text, '') WHEN '' THEN e.fund_pay_total_fen + e.account_pay_fen
            WHEN 'basic_resident' THEN CASE e.scheme WHEN 'resident' THEN e.basic_pool_pay_fen ELSE 0 END
            WHEN 'basic_employee' THEN CASE e.scheme WHEN 'employee' THEN e.basic_pool_pay_fen ELSE 0 END
            WHEN 'civil_servant' THEN e.civil_servant_pay_fen WHEN 'enterprise_supplement' THEN e.enterprise_supplement_pay_fen
            WHEN 'critical_illness' THEN e.critical_illness_pay_fen WHEN 'large_amount' THEN e.large_amount_pay_fen
            WHEN 'disabled_soldier' THEN e.disabled_soldier_pay_fen WHEN 'medical_aid' THEN e.medical_aid_pay_fen
            WHEN 'tilted_aid' THEN e.tilted_aid_pay_fen WHEN 'personal_account' THEN e.account_pay_fen
            ELSE coalesce((SELECT sum(u.fen)::bigint FROM unnest(e.payer, e.books_to, e.pay_fen) AS u(payer, books_to, fen)
                WHERE u.books_to = 'other' AND CASE WHEN u.payer IN ('backstop', 'charity', 'mutual_aid') THEN u.payer ELSE 'other' END = $5), 0)
            END AS fund_fen
    FROM settlement e
    WHERE e.accounting_day BETWEEN $2 AND $3 AND ($4::text IS NULL OR e.hospital_code = $4) AND ($7::text IS NULL OR e.care_type = $7)
        AND ($9::date IS NULL OR ($9, $10::text) < (e.accounting_day, e.settlement_id))
        AND CASE $8 WHEN 'all' THEN true WHEN 'reversals' THEN e.reverses_settlement_id IS NOT NULL OR e.supersedes_settlement_id IS NOT NULL
            WHEN 'assumed' THEN e.assumed
            WHEN 'out_of_catalogue' THEN e.reverses_settlement_id IS NULL AND e.identities_used <> '{}'
                AND e.total_fen * $15::bigint < e.out_of_catalogue_fen * 10000
            WHEN 'readmitted' THEN e.reverses_settlement_id IS NULL AND e.care_type = 'inpatient'
            WHEN 'near_ceiling' THEN e.reverses_settlement_id IS NULL AND e.package_hash = ANY ($12::bytea[]) END
) s
LEFT JOIN LATERAL (SELECT y.settlement_id, s.admission_date - y.discharge_date AS days FROM stay y
    WHERE y.bucket = s.bucket AND y.person_id = s.person_id AND y.care_type = 'inpatient' AND NOT y.reversed
        AND (y.hospital_code, y.stay_id) <> (s.hospital_code, s.stay_id)
        AND y.discharge_date BETWEEN s.admission_date - $16::integer AND s.admission_date AND y.admission_date < s.admission_date
    ORDER BY y.discharge_date DESC, y.settlement_id LIMIT 1) before ON $8 = 'readmitted'
LEFT JOIN LATERAL (SELECT u.payer, u.fen AS pay_fen, c.fen AS ceiling_fen FROM unnest(s.payer, s.pay_fen) AS u(payer, fen)
    JOIN unnest($12::bytea[], $13::text[], $14::bigint[]) AS c(hash, payer, fen) ON c.hash = s.package_hash AND c.payer = u.payer
    -- Just under: less than a fiftieth of it.
    WHERE c.fen - c.fen / 50 <= u.fen AND u.fen < c.fen ORDER BY c.fen, u.payer LIMIT 1) near ON $8 = 'near_ceiling'
LEFT JOIN trueup_correction t ON t.bucket = s.bucket AND t.person_id = s.person_id
    AND t.settlement_id = coalesce(s.supersedes_settlement_id, s.reverses_settlement_id)
WHERE ($1::text[] IS NULL OR EXISTS (SELECT FROM unnest($1::text[]) AS r(region) WHERE region_lies_in(s.insured_region, r.region)))
    AND ($6::text IS NULL OR s.class = $6) AND ($5::text IS NULL OR s.fund_fen <> 0)
    AND ($8 <> 'readmitted' OR before.settlement_id IS NOT NULL) AND ($8 <> 'near_ceiling' OR near.payer IS NOT NULL)
    -- What was taken back is nothing to look at.
    AND ($8 IN ('all', 'reversals', 'assumed') OR NOT EXISTS (SELECT FROM settlement b WHERE b.bucket = s.bucket AND b.person_id = s.person_id
        AND b.reverses_settlement_id = s.settlement_id))
ORDER BY s.accounting_day, s.settlement_id
LIMIT $11::bigint
