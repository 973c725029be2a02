-- Opens an import, once.
INSERT INTO import_run (import_id, kind, is_full, list_date, source, region) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT ON CONSTRAINT import_run_pkey DO NOTHING
