-- Closes a statement that is explained and of which nothing is left open. $1 statement, $2 by whom.
UPDATE statement s SET state = 'closed', closed_at = now(), closed_by = $2
WHERE s.statement_key = $1 AND s.state = 'matched' AND s.explained = s.differences
    AND s.last_day <= (SELECT max(f.day) FROM accounting_fence f)
    AND NOT EXISTS (SELECT FROM statement other WHERE other.scope = s.scope AND other.state = 'closed'
        AND other.first_day <= s.last_day AND s.first_day <= other.last_day)
RETURNING s.closed_at
