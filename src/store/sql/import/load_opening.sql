-- Opening entries that are recorded already, by their id ($1).
SELECT o.entry_id, o.person_id, o.insured_region, o.scheme, o.policy_year, o.name, o.amount_fen
FROM opening_entry o WHERE o.entry_id = ANY ($1::text[])
