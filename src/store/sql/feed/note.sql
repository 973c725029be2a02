-- Notes at $1 that changes after the cursor $2 are durable up to $3, $4 of them; and those that could not be taken: $5 cursors,
-- $6 kinds, $7 reasons, $8 fields. Nothing where the cursor is elsewhere.
WITH moved AS (
    UPDATE core_feed SET cursor = $3::text, told = told + $4::bigint,
        rejected = rejected + cardinality($5::text[]), changed_at = $1::timestamptz
    WHERE only_row AND cursor = $2::text
    RETURNING 1
), kept AS (
    INSERT INTO core_feed_reject (cursor, kind, reason, field, rejected_at)
    SELECT n.*, $1::timestamptz FROM unnest($5::text[], $6::text[], $7::text[], $8::text[]) AS n CROSS JOIN moved
    -- It came again.
    ON CONFLICT DO NOTHING
)
SELECT FROM moved
