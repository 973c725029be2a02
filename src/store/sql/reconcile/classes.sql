-- What both sides say in each class: $1 key, $2 classes, then rows and amounts of ours and of theirs.
INSERT INTO statement_class (statement_key, class, our_rows, our_total_fen, our_fund_fen, our_account_fen, their_rows,
    their_total_fen, their_fund_fen, their_account_fen)
SELECT $1, c.* FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[]) AS c
