-- What was paid of statement $1, added to what was before: $2 by its funds; by $3 at $4. It is paid when nothing is left.
UPDATE clearing_statement c
SET paid_fen = $2, changed_by = $3, changed_at = $4,
    state = CASE WHEN EXISTS (SELECT FROM unnest(c.owed_fen, c.carried_fen, c.withheld_fen, c.offset_fen, $2::bigint[])
            AS l(owed_fen, carried_fen, withheld_fen, offset_fen, paid_fen)
            WHERE l.paid_fen < l.owed_fen + l.carried_fen - l.withheld_fen - l.offset_fen)
        THEN 'approved' ELSE 'paid' END
WHERE c.statement_id = $1 AND c.state = 'in_file'
RETURNING c.state
