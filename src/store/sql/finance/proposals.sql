-- Proposal $1, or those that are open and touch one of $2 regions.
SELECT p.proposal_id, p.draft, p.made_by, p.made_at, p.state, p.decided_by
FROM posting_proposal p
WHERE CASE WHEN $1::text IS NOT NULL THEN p.proposal_id = $1
    ELSE p.state = 'open' AND ($2::text[] IS NULL OR EXISTS (SELECT FROM unnest(p.region) AS t(region), unnest($2::text[]) AS r(region)
        WHERE region_lies_in(t.region, r.region))) END
ORDER BY p.made_at, p.proposal_id
LIMIT 500
