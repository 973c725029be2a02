-- Where persons ($1 buckets, $2 ids) are insured today or will be; where that is nowhere any more, where they were.
WITH span AS (
    SELECT c.bucket, c.person_id, c.insured_region,
        c.valid_to IS NULL OR (now() AT TIME ZONE 'Asia/Shanghai')::date <= c.valid_to AS lasts
    FROM coverage c
    WHERE (c.bucket, c.person_id) IN (SELECT * FROM unnest($1::smallint[], $2::bigint[]))
)
SELECT DISTINCT s.person_id, s.insured_region
FROM span s
WHERE s.lasts OR NOT EXISTS (SELECT FROM span n WHERE n.bucket = s.bucket AND n.person_id = s.person_id AND n.lasts)
