SELECT e.state, e.by_name, e.at FROM clearing_event e WHERE e.statement_id = $1 ORDER BY e.event_no
