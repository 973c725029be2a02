-- Who looked at the data of a person ($1 bucket, $2 person) from $3 on and before $4, the first $5 of them.
SELECT read_at, caller_name, caller_kind, door, what, settlement_id, purpose
FROM access_record
WHERE bucket = $1::smallint AND person_id = $2::bigint AND $3::timestamptz <= read_at AND read_at < $4::timestamptz
ORDER BY read_at, access_id
LIMIT $5::bigint
