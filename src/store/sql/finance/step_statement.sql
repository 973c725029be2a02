-- Takes statement $1 from $2 to $3 by $4 at $5, with $6 and $7 as approvers and $8 as reason, where it still is there.
UPDATE clearing_statement c
SET state = $3, changed_by = $4, changed_at = $5, first_approver = coalesce($6::text, c.first_approver),
    second_approver = coalesce($7::text, c.second_approver), reason = coalesce($8::text, c.reason)
WHERE c.statement_id = $1 AND c.state = $2
    -- What a later statement carries on is not taken away.
    AND ($3 <> 'withdrawn' OR NOT EXISTS (SELECT FROM clearing_statement n WHERE n.hospital_code = c.hospital_code
        AND n.insured_region = c.insured_region AND n.scheme = c.scheme AND n.clearing_type = c.clearing_type
        AND n.state <> 'withdrawn' AND c.last_day < n.first_day))
RETURNING c.statement_id
