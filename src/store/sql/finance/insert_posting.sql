INSERT INTO posting (posting_id, kind, accounting_day, account, fund, region, counterparty, amount_fen, hospital_code, budget_year,
    reference, reason, made_by, approved_by, posted_at, record, record_sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, sha256($16))
