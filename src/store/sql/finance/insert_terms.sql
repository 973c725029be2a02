INSERT INTO clearing_terms (region, said_at, deposit_ratio_billionths, due_workdays, source, said_by) VALUES ($1, $2, $3, $4, $5, $6)
