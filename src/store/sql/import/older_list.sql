-- Is a full list ($1) of a kind ($2) and region ($3) with a date ($4) older than one that was finished? Not where it was itself
-- finished: that is a repeat.
SELECT EXISTS (
    SELECT FROM import_run n
    WHERE n.is_full AND n.finished_at IS NOT NULL AND n.kind = $2::text AND n.region = $3::text AND $4::date < n.list_date
) AND NOT EXISTS (
    SELECT FROM import_run o WHERE o.import_id = $1::text AND o.finished_at IS NOT NULL
) AS older
