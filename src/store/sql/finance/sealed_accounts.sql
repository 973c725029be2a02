SELECT h.hospital_code, h.account_no, h.account_sealed, h.account_mark FROM hospital_account h ORDER BY h.hospital_code, h.account_no
