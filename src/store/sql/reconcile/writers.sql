-- Whoever may be writing to the ledger at this moment; of $1, where given, those who still are.
SELECT DISTINCT l.virtualtransaction AS writer
FROM pg_locks l
WHERE l.locktype = 'relation' AND l.relation = 'settlement'::regclass AND l.mode = 'RowExclusiveLock'
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    AND l.pid <> pg_backend_pid() AND ($1::text[] IS NULL OR l.virtualtransaction = ANY ($1))
