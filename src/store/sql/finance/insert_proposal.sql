INSERT INTO posting_proposal (proposal_id, draft, region, hospital_code, made_by, made_at) VALUES ($1, $2, $3, $4, $5, $6)
