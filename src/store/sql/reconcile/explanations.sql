-- How many differences have which explanation, and what the last event of how many is.
SELECT e.explanation, count(*) AS differences FROM difference_event e
WHERE e.statement_key = $1 AND e.event = 'explained' GROUP BY e.explanation ORDER BY e.explanation
