-- Lists bad rows, as long as there is room: $1 key, $2 lines, $3 reasons, $4 columns, $5 settlements, $6 how many more may be listed.
INSERT INTO statement_bad_row (statement_key, line, reason, column_name, settlement_id)
SELECT $1, b.line, b.reason, b.column_name, b.settlement_id
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS b(line, reason, column_name, settlement_id, place)
WHERE b.place <= $6::bigint
ON CONFLICT DO NOTHING
