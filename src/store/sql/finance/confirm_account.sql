-- Account $2 of $1 hospital is confirmed by $3 at $4.
UPDATE hospital_account SET confirmed_by = $3, confirmed_at = $4
WHERE hospital_code = $1 AND account_no = $2 AND confirmed_by IS NULL
RETURNING account_no
