-- Whether an operator ($2) of a hospital ($1) is signed in by a number ($3) on a day ($4).
SELECT count(*) FROM national_sign_in i
WHERE i.hospital_code = $1::text AND i.sign_number = $3::text AND i.operator_id = $2::text AND i.on_day = $4::date
    AND NOT EXISTS (SELECT FROM national_sign_out o
        WHERE o.hospital_code = i.hospital_code AND o.sign_number = i.sign_number)
