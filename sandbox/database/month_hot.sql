-- The busy month of October 2026, in the two small hot tables. While it lasts autovacuum is off, and the caller holds a snapshot
-- open, as a forgotten report does: so no dead row can be removed. What it leaves is real bloat, in tables and in indexes.

ALTER TABLE tenant_folios SET (autovacuum_enabled = off);
ALTER TABLE user_sessions SET (autovacuum_enabled = off);

-- Every tenant writes invoices all month, and drafts, whose numbers are lost.
DO $$
BEGIN
    FOR step IN 1..300 LOOP
        UPDATE tenant_folios
        SET current_number = current_number + 1, updated_at = timestamptz '2026-10-01 00:00+00' + step * interval '148 minutes';
        COMMIT;
    END LOOP;
END
$$;

-- Every message of a user changes his session; some end, and others begin.
DO $$
BEGIN
    FOR step IN 1..300 LOOP
        UPDATE user_sessions
        SET state = jsonb_build_object('step', 'invoice', 'message', step, 'draft', md5(user_id || ' ' || step)),
            last_seen_at = timestamptz '2026-10-01 00:00+00' + step * interval '148 minutes';
        DELETE FROM user_sessions WHERE user_id = 33 + step % 160;
        INSERT INTO user_sessions (user_id, last_seen_at, expires_at)
        VALUES (33 + step % 160, timestamptz '2026-10-01 00:00+00' + step * interval '148 minutes', timestamptz '2027-10-01 00:00+00');
        COMMIT;
    END LOOP;
END
$$;

-- Six rows and 38 dead ones: the worst table by percentage, and one page in all.
DO $$
BEGIN
    FOR step IN 1..6 LOOP
        UPDATE tenant_subscriptions SET invoices_used = invoices_used + 1;
        COMMIT;
    END LOOP;
    UPDATE tenant_subscriptions SET invoices_used = invoices_used + 1 WHERE tenant_id <= 2;
END
$$;
