-- What the simulated core keeps: what it took by request id, and each booking that it made of it.
CREATE TABLE IF NOT EXISTS sim_taken (
    hospital_code text NOT NULL,
    request_id text NOT NULL,
    settlement_id text NOT NULL,
    record_sha256 bytea NOT NULL,
    PRIMARY KEY (hospital_code, request_id)
);
CREATE TABLE IF NOT EXISTS sim_booking (
    booking_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hospital_code text NOT NULL,
    request_id text NOT NULL,
    settlement_id text NOT NULL,
    person_number text NOT NULL,
    fund_pay_total_fen bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS sim_booking_request ON sim_booking (hospital_code, request_id);
CREATE TABLE IF NOT EXISTS sim_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    said bytea NOT NULL
);
