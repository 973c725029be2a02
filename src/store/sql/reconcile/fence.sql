-- $1 the day, $2 who says so.
INSERT INTO accounting_fence (day, fenced_by) VALUES ($1, $2) ON CONFLICT (day) DO NOTHING
