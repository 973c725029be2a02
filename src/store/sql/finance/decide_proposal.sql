-- Proposal $1 is $2 by $3 at $4, as posting $5, where it is still open.
UPDATE posting_proposal SET state = $2, decided_by = $3, decided_at = $4, posting_id = $5
WHERE proposal_id = $1 AND state = 'open'
RETURNING proposal_id
