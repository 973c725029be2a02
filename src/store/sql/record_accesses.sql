-- Records who looked at whose data, a group at once, for the first time: none of them can be there, and so none is looked for.
INSERT INTO access_record (bucket, person_id, read_at, access_id, caller_name, caller_kind, door, what, settlement_id, purpose)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[])
