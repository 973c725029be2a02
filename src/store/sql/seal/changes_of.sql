-- Changes of the registry by bucket ($1), person ($2), version ($3) and ordinal ($4).
SELECT c.bucket, c.person_id, c.standing_version, c.ordinal, c.kind, c.import_id, c.before::text AS before, c.after::text AS after,
    c.changed_at, coalesce(c.after ->> 'insured_region', c.after ->> 'region', '000000') AS region
FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::integer[]) AS wanted(bucket, person_id, standing_version, ordinal)
CROSS JOIN LATERAL (
    SELECT * FROM registry_change c
    WHERE c.bucket = wanted.bucket AND c.person_id = wanted.person_id AND c.standing_version = wanted.standing_version
        AND c.ordinal = wanted.ordinal
    OFFSET 0
) c
