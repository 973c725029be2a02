-- $1 number, $2 hospital, $3 name, $4 contents.
INSERT INTO statement_file (file_number, hospital_code, file_name, content) VALUES ($1, $2, $3, $4)
ON CONFLICT (hospital_code, file_number) DO NOTHING
