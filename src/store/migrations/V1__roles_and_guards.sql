-- Who may do what, and the guard that keeps history from being changed.
--
-- Safe beside the previous release: there is none; adds a role and functions, touches nothing that exists.
-- The role belongs to the whole cluster, so another database's migration may have made it already, even at this very moment.

DO $$
BEGIN
    CREATE ROLE onestop_service NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

-- The owner's log-in takes the service role on when it serves.
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'onestop_service', 'MEMBER') THEN
        EXECUTE format('GRANT onestop_service TO %I', current_user);
    END IF;
END
$$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is history: % is refused', tg_table_name, lower(tg_op)
        USING ERRCODE = 'restrict_violation', HINT = 'correct by adding entries';
END
$$;

COMMENT ON FUNCTION refuse_change() IS 'Refuses every change of history, also to the owner of the table.';

-- What each national column gets from the layers of a package, in the order of the CHECK that calls it. A layer that books to
-- a column nobody knows makes the answer shorter, so that no row can ever agree with it.
CREATE FUNCTION booked_fen(books_to text[], pay_fen bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    known CONSTANT text[] := ARRAY['basic_pool', 'civil_servant', 'enterprise_supplement', 'critical_illness', 'large_amount',
        'disabled_soldier', 'medical_aid', 'tilted_aid', 'other', 'hospital', 'account'];
    booked bigint[] := ARRAY[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    place integer;
BEGIN
    FOR layer IN 1 .. coalesce(array_length(books_to, 1), 0) LOOP
        place := array_position(known, books_to[layer]);
        IF place IS NULL OR pay_fen[layer] IS NULL THEN
            RETURN ARRAY[]::bigint[];
        END IF;
        booked[place] := booked[place] + pay_fen[layer];
    END LOOP;
    RETURN booked;
END
$$;

COMMENT ON FUNCTION booked_fen(text[], bigint[]) IS
    'What each of the eleven columns gets from a package''s own layers; empty where a layer books to none of them.';
