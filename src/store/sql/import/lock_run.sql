-- How far an import ($1) is. Imports go one after the other, whichever instance they come through.
SELECT r.*, pg_advisory_xact_lock(8029187421) IS NULL AS locked FROM import_run r WHERE r.import_id = $1 FOR UPDATE
