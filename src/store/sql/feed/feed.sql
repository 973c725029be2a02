-- How far the core told of persons, and how much.
SELECT cursor, told, rejected, changed_at FROM core_feed
