-- Which of the relations $1, in this order, can be brought near, and how many blocks each has: as many as fit together into what the
-- database believes the machine keeps of its files.
SELECT sized.name, sized.blocks
FROM (
    SELECT wanted.name, file.bytes / current_setting('block_size')::bigint AS blocks,
        sum(file.bytes) OVER (ORDER BY wanted.place) AS up_to
    FROM unnest($1::text[]) WITH ORDINALITY AS wanted(name, place)
    CROSS JOIN LATERAL (SELECT pg_relation_size(wanted.name::regclass) AS bytes OFFSET 0) AS file
) AS sized
WHERE 0 < sized.blocks AND sized.up_to <= pg_size_bytes(current_setting('effective_cache_size'))
    -- Where bring_near looks for it; in another schema it is as good as not there.
    AND EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_prewarm' AND extnamespace = 'public'::regnamespace)
ORDER BY sized.up_to
