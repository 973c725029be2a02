-- Statements by $1 region (of either side), $2 hospital, $3 scheme, $4 state, of days within $5 to $6, after $7 in their order, at most
-- $8; of $9 alone where it is given.
SELECT c.*
FROM clearing_statement c
WHERE ($1::text[] IS NULL OR EXISTS (SELECT FROM unnest($1::text[]) AS r(region)
        WHERE region_lies_in(c.treatment_region, r.region) OR region_lies_in(c.insured_region, r.region)))
    AND ($2::text IS NULL OR c.hospital_code = $2) AND ($3::text[] IS NULL OR c.scheme = ANY ($3))
    AND ($4::text IS NULL OR c.state = $4) AND ($5::date IS NULL OR $5 <= c.last_day) AND ($6::date IS NULL OR c.first_day <= $6)
    AND ($7::text IS NULL OR $7 < c.statement_id) AND ($9::text IS NULL OR c.statement_id = $9)
ORDER BY c.statement_id
LIMIT $8::bigint
