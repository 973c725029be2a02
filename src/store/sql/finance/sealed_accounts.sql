SELECT h.hospital_code, h.account_no, h.account_sealed FROM hospital_account h ORDER BY h.hospital_code, h.account_no
