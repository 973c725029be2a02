-- When the first change of the registry was made from a moment on ($1).
SELECT min(changed_at) AS changed_at FROM registry_change WHERE changed_at >= $1::timestamptz
