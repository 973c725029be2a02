-- $1 number, $2 hospital.
SELECT content FROM statement_file WHERE file_number = $1 AND hospital_code = $2
