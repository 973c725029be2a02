-- Every booking in the order in which it was made.
SELECT hospital_code, request_id, settlement_id, person_number, fund_pay_total_fen FROM sim_booking ORDER BY booking_id
