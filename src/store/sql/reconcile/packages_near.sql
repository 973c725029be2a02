-- All rule packages that a scope may be of: $1 region, whose packages and those of what it lies in or what lies in it count; $2 scheme.
SELECT p.canonical FROM rule_package p
WHERE ($1::text IS NULL OR region_is_within(p.insured_region, $1) OR region_is_within($1, p.insured_region))
    AND ($2::text IS NULL OR p.scheme = $2)
