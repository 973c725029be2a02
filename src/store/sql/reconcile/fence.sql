-- $1 the day, $2 who says so. Only one that is over by the database's clock: a machine whose own is ahead would stop every desk. One that
-- is behind a fence already is over, whatever the clock says.
WITH over AS (
    SELECT $1::date < (now() AT TIME ZONE 'Asia/Shanghai')::date OR EXISTS (SELECT FROM accounting_fence f WHERE f.day >= $1::date)
        AS is_over
), fenced AS (
    INSERT INTO accounting_fence (day, fenced_by) SELECT $1, $2 FROM over WHERE is_over ON CONFLICT (day) DO NOTHING
)
SELECT is_over FROM over
