-- Who looked at the data of a person ($1 bucket, $2 person) after a place in the list ($3 time, $4 access) and before $5, the first $6
-- of them.
SELECT read_at, access_id, caller_name, caller_kind, door, what, settlement_id, purpose
FROM access_record
WHERE bucket = $1::smallint AND person_id = $2::bigint AND ($3::timestamptz, $4::bigint) < (read_at, access_id)
    AND read_at < $5::timestamptz
ORDER BY read_at, access_id
LIMIT $6::bigint
