-- Postings by their ids ($1), in no order.
SELECT p.*
FROM unnest($1::text[]) AS wanted(id)
CROSS JOIN LATERAL (SELECT * FROM posting p WHERE p.posting_id = wanted.id OFFSET 0) p
