-- Some of the changes after the cursor $1.
SELECT change_id, said FROM sim_change WHERE $1::bigint < change_id ORDER BY change_id LIMIT 500
