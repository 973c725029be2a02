-- What is counted of the changes of the registry that were made from a moment on ($1) and before another one ($2): which they are.
SELECT person_id, standing_version, ordinal FROM registry_change WHERE changed_at >= $1::timestamptz AND changed_at < $2::timestamptz
