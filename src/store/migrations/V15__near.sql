-- A gateway that starts can have the files read that first visits need, so that nobody at a desk waits for one page after the other.
--
-- Safe beside the previous release: adds a function, touches nothing that exists.

-- Comes with PostgreSQL, and is made by a superuser: here, where we are one, or by the operator. Without it nothing is read early.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_prewarm') THEN
        CREATE EXTENSION IF NOT EXISTS pg_prewarm;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'pg_prewarm is there, and only a superuser may make it';
END
$$;

-- With the owner's rights, since older releases of PostgreSQL let nobody else have an index read: of what first visits read, and of
-- nothing else.
CREATE FUNCTION bring_near(relation regclass, first_block bigint, last_block bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF relation NOT IN ('person_head'::regclass, 'person_head_pkey'::regclass, 'stay'::regclass, 'stay_pkey'::regclass) THEN
        RAISE EXCEPTION '% is not what first visits read', relation USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN pg_prewarm(relation, 'read', 'main', first_block, last_block);
END
$$;
COMMENT ON FUNCTION bring_near(regclass, bigint, bigint) IS 'Has blocks of a table or key read that first visits need; how many were.';
REVOKE ALL ON FUNCTION bring_near(regclass, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bring_near(regclass, bigint, bigint) TO onestop_service;
