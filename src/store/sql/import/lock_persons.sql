-- Holds persons ($1 buckets, $2 ids) until the batch is durable, in one order for all batches.
SELECT h.person_id, h.birth_date, h.name_mark, h.standing_version
FROM person_head h
WHERE (h.bucket, h.person_id) IN (SELECT * FROM unnest($1::smallint[], $2::bigint[]))
ORDER BY h.bucket, h.person_id
FOR UPDATE
