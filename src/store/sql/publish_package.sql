-- Records a rule package, once.
INSERT INTO rule_package (hash, package_id, insured_region, scheme, in_force_from, in_force_to, known_from, supersedes_hash,
    canonical)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT ON CONSTRAINT rule_package_pkey DO NOTHING
