-- All rows of a table ($1) that were made before a moment ($2) are sealed.
UPDATE seal_cursor SET read_to = $2::timestamptz WHERE what = $1::text
