-- Uses up both ids of a request that was reversed before it was seen, and says so. Where either is used up already, the unique
-- key of request_key refuses it: that also holds against an original that commits at this very moment.
WITH used_key AS (
    INSERT INTO request_key (hospital_code, request_id)
    SELECT $1::text, id FROM unnest(ARRAY[$2::text, $3::text]) AS id ORDER BY id
)
INSERT INTO tombstone (hospital_code, original_request_id, reversal_request_id, operator_id, reason)
VALUES ($1, $2, $3, $4::text, $5::text)
RETURNING left_at
