-- How much is open, by state, and since when the oldest of it was recorded.
SELECT state, count(*) AS entries, min(recorded_at) AS oldest_at FROM delivery WHERE state <> 'confirmed' GROUP BY state
UNION ALL
SELECT 'unmoved', count(*), min(created_at) FROM outbox
UNION ALL
-- The core has these, and once too often.
SELECT 'booked_twice', count(*), min(recorded_at) FROM delivery WHERE last_code = 'CORE_BOOKED_TWICE'
