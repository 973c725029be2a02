-- Statements $1 are on their way to a bank, by $2 at $3, where they still wait.
UPDATE clearing_statement c SET state = 'in_file', changed_by = $2, changed_at = $3
WHERE c.statement_id = ANY ($1::text[]) AND c.state = 'approved'
RETURNING c.statement_id
