-- Postings that touch one of $1 regions, of $2 hospital and $3 kind, from $4 to $5, after the day $6 and id $7, at most $8.
SELECT p.record
FROM posting p
WHERE ($1::text[] IS NULL OR EXISTS (SELECT FROM unnest(p.region) AS t(region), unnest($1::text[]) AS r(region)
        WHERE region_lies_in(t.region, r.region)))
    AND ($2::text IS NULL OR p.hospital_code = $2) AND ($3::text IS NULL OR p.kind = $3)
    AND ($4::date IS NULL OR $4 <= p.accounting_day) AND ($5::date IS NULL OR p.accounting_day <= $5)
    AND ($6::date IS NULL OR ($6, $7::text) < (p.accounting_day, p.posting_id))
ORDER BY p.accounting_day, p.posting_id
LIMIT $8::bigint
