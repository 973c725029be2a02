-- All rule packages of a region and scheme that are in force on a day, superseded ones too: $1 region, $2 scheme, $3 the day.
SELECT canonical FROM rule_package
WHERE insured_region = $1 AND scheme = $2 AND in_force_from <= $3 AND (in_force_to IS NULL OR $3 <= in_force_to)
ORDER BY known_from, hash
