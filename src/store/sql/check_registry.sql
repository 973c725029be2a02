-- Every place where the registry is not what its history says last; none is good.
WITH covered AS (
    SELECT DISTINCT ON (c.bucket, c.person_id, c.after ->> 'scheme', c.after ->> 'valid_from') c.bucket, c.person_id,
        c.after ->> 'scheme' AS scheme, c.after ->> 'valid_from' AS valid_from, c.after ->> 'valid_to' AS valid_to
    FROM registry_change c
    WHERE c.kind = 'coverage'
    ORDER BY c.bucket, c.person_id, c.after ->> 'scheme', c.after ->> 'valid_from', c.standing_version DESC, c.ordinal DESC
), covered_by AS (
    -- Where a full list ended a span, only its days were told anew.
    SELECT DISTINCT ON (c.bucket, c.person_id, c.after ->> 'scheme', c.after ->> 'valid_from') c.bucket, c.person_id,
        c.after ->> 'scheme' AS scheme, c.after ->> 'valid_from' AS valid_from, c.after ->> 'region' AS region, c.after ->> 'facts' AS facts
    FROM registry_change c
    WHERE c.kind = 'coverage' AND c.after ? 'region'
    ORDER BY c.bucket, c.person_id, c.after ->> 'scheme', c.after ->> 'valid_from', c.standing_version DESC, c.ordinal DESC
), identified AS (
    SELECT DISTINCT ON (c.bucket, c.person_id, c.after ->> 'code', c.after ->> 'region', c.after ->> 'valid_from') c.bucket, c.person_id,
        c.after ->> 'code' AS code, c.after ->> 'region' AS region, c.after ->> 'valid_from' AS valid_from, c.after ->> 'valid_to' AS valid_to
    FROM registry_change c
    WHERE c.kind = 'identity'
    ORDER BY c.bucket, c.person_id, c.after ->> 'code', c.after ->> 'region', c.after ->> 'valid_from', c.standing_version DESC,
        c.ordinal DESC
), coverage_row AS (
    SELECT r.bucket, r.person_id, r.scheme, r.valid_from::text AS valid_from, r.valid_to::text AS valid_to, r.insured_region, r.facts
    FROM coverage r
), identity_row AS (
    SELECT r.bucket, r.person_id, r.code, r.region, r.valid_from::text AS valid_from, r.valid_to::text AS valid_to FROM identity r
), version AS (
    SELECT c.bucket, c.person_id, max(c.standing_version) AS newest FROM registry_change c GROUP BY c.bucket, c.person_id
)
SELECT 'coverage' AS what, person_id, format('%s %s', scheme, valid_from) AS detail
FROM coverage_row r FULL JOIN covered t USING (bucket, person_id, scheme, valid_from)
LEFT JOIN covered_by b USING (bucket, person_id, scheme, valid_from)
WHERE r.insured_region IS NULL OR (r.valid_to, r.insured_region, r.facts) IS DISTINCT FROM (t.valid_to, b.region, b.facts)
UNION ALL
SELECT 'identity', person_id, format('%s %s %s', code, region, valid_from)
FROM (SELECT bucket, person_id, code, region, valid_from, valid_to, true AS stands FROM identity_row) r
FULL JOIN (SELECT bucket, person_id, code, region, valid_from, valid_to, true AS told FROM identified) t
    USING (bucket, person_id, code, region, valid_from)
WHERE r.stands IS NULL OR t.told IS NULL OR r.valid_to IS DISTINCT FROM t.valid_to
UNION ALL
SELECT 'standing', h.person_id, format('%s %s', h.standing_version, coalesce(v.newest, 1))
FROM person_head h LEFT JOIN version v USING (bucket, person_id)
WHERE h.standing_version <> coalesce(v.newest, 1)
