-- How many charge lines of a stay ($1 hospital, $2 stay) a request ($3) cancelled.
SELECT count(*) AS count FROM national_fee_cancelled
WHERE hospital_code = $1::text AND stay_id = $2::text AND request_id = $3::text
