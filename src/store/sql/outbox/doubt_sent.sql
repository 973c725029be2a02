-- What somebody sent who is no longer there: nobody heard what became of it. Due at $1.
UPDATE delivery SET state = 'unknown', next_at = $1::timestamptz, changed_at = $1::timestamptz
WHERE state = 'sent' RETURNING 1
