-- Another account of $1 hospital, its number sealed, with the mark of it.
INSERT INTO hospital_account (hospital_code, account_no, bank_code, account_sealed, set_by, set_at, account_mark)
SELECT $1, 1 + coalesce(max(h.account_no), 0), $2, $3, $4, $5, $6 FROM hospital_account h WHERE h.hospital_code = $1
RETURNING account_no
