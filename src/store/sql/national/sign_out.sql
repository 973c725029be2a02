-- Signs out ($1 hospital, $2 operator, $3 number); who has signed out already may do so again.
WITH known AS (
    SELECT hospital_code, sign_number FROM national_sign_in
    WHERE hospital_code = $1::text AND operator_id = $2::text AND sign_number = $3::text
), gone AS (
    INSERT INTO national_sign_out (hospital_code, sign_number) SELECT * FROM known ON CONFLICT DO NOTHING
)
SELECT count(*) FROM known
