-- What the recorded packages have against those of a folder ($1 hashes, $2 ids, $3 hashes of what each supersedes): an id that is
-- recorded with other contents, and then a package that supersedes one of the folder's and is not in the folder, whenever it applies.
WITH folder AS (SELECT * FROM unnest($1::bytea[], $2::text[], $3::bytea[]) AS f (hash, package_id, supersedes_hash))
SELECT f.package_id, NULL AS missing_id
FROM folder f
JOIN rule_package p ON p.package_id = f.package_id AND p.hash <> f.hash AND p.hash IS DISTINCT FROM f.supersedes_hash
WHERE NOT EXISTS (SELECT FROM folder g WHERE g.hash = p.hash)
UNION ALL
SELECT f.package_id, later.package_id
FROM folder f
JOIN rule_package later ON later.supersedes_hash = f.hash
WHERE NOT EXISTS (SELECT FROM folder g WHERE g.hash = later.hash)
ORDER BY missing_id NULLS FIRST, package_id
LIMIT 1
