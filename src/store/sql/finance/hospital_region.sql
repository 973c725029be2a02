SELECT h.region FROM hospital h WHERE h.hospital_code = $1 ORDER BY h.valid_from DESC LIMIT 1
