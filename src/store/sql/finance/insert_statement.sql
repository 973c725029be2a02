INSERT INTO clearing_statement (statement_id, hospital_code, insured_region, treatment_region, scheme, clearing_type, first_day,
    last_day, settlements, reversals, provisional, total_fen, cash_fen, fund, owed_fen, carried_fen, withheld_fen, offset_fen, paid_fen,
    deposit_ratio_billionths, terms_assumed, due_day, due_assumed, made_by, made_at, changed_by, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, array_fill(0::bigint, ARRAY[cardinality($14::text[])]),
    $19, $20, $21, $22, $23, $24, $23, $24)
