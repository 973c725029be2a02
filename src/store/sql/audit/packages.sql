-- The rules of $1 regions in their canonical bytes.
SELECT p.hash, p.canonical
FROM rule_package p
WHERE $1::text[] IS NULL OR EXISTS (SELECT FROM unnest($1::text[]) AS r(region) WHERE region_lies_in(p.insured_region, r.region)
    OR region_lies_in(r.region, p.insured_region))
ORDER BY p.hash
