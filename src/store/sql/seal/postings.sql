-- The first so many postings ($3) that were made from a moment on ($1, as their ids have it: milliseconds, eleven digits of base 16) and
-- before another one ($2), in the order in which they were.
SELECT *
FROM posting
WHERE posting_id >= 'P' || $1::text AND posting_id < 'P' || $2::text
ORDER BY posting_id
LIMIT $3::bigint
