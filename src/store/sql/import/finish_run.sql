-- Closes an import.
UPDATE import_run SET ended = $2, finished_at = now() WHERE import_id = $1
