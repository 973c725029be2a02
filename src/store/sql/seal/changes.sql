-- The changes of the registry that were made from a moment on ($1) and before another one ($2), with what is sealed of them.
SELECT bucket, person_id, standing_version, ordinal, kind, import_id, before::text AS before, after::text AS after, changed_at,
    coalesce(after ->> 'insured_region', after ->> 'region', '000000') AS region
FROM registry_change
WHERE changed_at >= $1::timestamptz AND changed_at < $2::timestamptz
