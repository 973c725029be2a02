UPDATE hospital_account SET account_sealed = $4
WHERE hospital_code = $1 AND account_no = $2 AND account_sealed = $3
RETURNING account_no
