INSERT INTO budget_rule (fund, region, said_at, when_dry, source, said_by) VALUES ($1, $2, $3, $4, $5, $6)
