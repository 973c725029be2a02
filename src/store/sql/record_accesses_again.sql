-- Records who looked at whose data as `record_accesses.sql` does, once that failed: what is sent again after its answer was lost
-- changes nothing.
INSERT INTO access_record (bucket, person_id, read_at, access_id, caller_name, caller_kind, door, what, settlement_id, purpose)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[])
ON CONFLICT ON CONSTRAINT access_record_pkey DO NOTHING
