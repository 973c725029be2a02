-- The postings of an accounting day ($1).
SELECT * FROM posting WHERE accounting_day = $1::date
