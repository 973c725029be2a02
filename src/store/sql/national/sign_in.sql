-- Signs an operator ($2) of a hospital ($1) in for a day ($3): the number of who has not signed out stays, else $4 is the next one.
WITH newest AS (
    SELECT i.ordinal, i.sign_number, o.sign_number IS NOT NULL AS is_out
    FROM national_sign_in i
    LEFT JOIN national_sign_out o ON o.hospital_code = i.hospital_code AND o.sign_number = i.sign_number
    WHERE i.hospital_code = $1::text AND i.operator_id = $2::text AND i.on_day = $3::date
    ORDER BY i.ordinal DESC LIMIT 1
), added AS (
    INSERT INTO national_sign_in (hospital_code, operator_id, on_day, ordinal, sign_number)
    SELECT $1, $2, $3, coalesce((SELECT ordinal FROM newest), 0) + 1, $4::text
    WHERE NOT EXISTS (SELECT FROM newest WHERE NOT is_out)
    ON CONFLICT DO NOTHING
    RETURNING sign_number
)
SELECT sign_number FROM added
UNION ALL
SELECT sign_number FROM newest WHERE NOT is_out
