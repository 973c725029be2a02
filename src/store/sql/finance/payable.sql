-- What the agency of $1 has to pay to accounts at $2 bank: approved statements of hospitals that it pools, with the newest account that
-- was confirmed; at most $3, the oldest due first.
SELECT c.*, a.account_no, a.account_sealed
FROM clearing_statement c
JOIN LATERAL (SELECT h.account_no, h.bank_code, h.account_sealed FROM hospital_account h
    WHERE h.hospital_code = c.hospital_code AND h.confirmed_by IS NOT NULL ORDER BY h.account_no DESC LIMIT 1) a
    ON a.bank_code = $2
WHERE c.state = 'approved' AND region_lies_in(c.treatment_region, $1)
ORDER BY c.due_day, c.statement_id
LIMIT $3::bigint
