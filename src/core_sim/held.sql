-- What is held of $1 hospitals and $2 request ids.
SELECT t.settlement_id, t.record_sha256,
    (SELECT count(*) FROM sim_booking b WHERE b.hospital_code = g.hospital_code AND b.request_id = g.request_id)::integer AS times
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS g(hospital_code, request_id, place)
LEFT JOIN sim_taken t USING (hospital_code, request_id)
ORDER BY g.place
