-- Notes why differences are: $1 statement, $2 numbers, $3 explanations, $4 details, $5 by whom.
WITH noted AS (
    INSERT INTO difference_event (statement_key, difference_no, event_no, event, explanation, detail, by_name)
    SELECT $1, e.difference_no, 1, 'explained', e.explanation, e.detail, $5
    FROM unnest($2::bigint[], $3::text[], $4::text[]) AS e(difference_no, explanation, detail)
    RETURNING 1
)
UPDATE statement SET explained = explained + (SELECT count(*) FROM noted) WHERE statement_key = $1
