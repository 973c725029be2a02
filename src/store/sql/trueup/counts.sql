-- How many true-ups stand how.
SELECT state, count(*) AS settlements, min(changed_at) AS oldest_at FROM trueup GROUP BY state ORDER BY state
