-- The month is over, the report's session is gone, and autovacuum has come past once: no dead rows, and every file as large
-- as before. From here on it works as anywhere; these tables give it nothing to do, so it disturbs no measurement.

VACUUM tenant_folios, user_sessions, tenant_customers, tenant_invoices;
ANALYZE tenants, tenant_users, user_sessions, tenant_folios, tenant_customers, tenant_invoices, tenant_subscriptions;

ALTER TABLE tenant_folios RESET (autovacuum_enabled);
ALTER TABLE user_sessions RESET (autovacuum_enabled);
ALTER TABLE tenant_customers RESET (autovacuum_enabled);
ALTER TABLE tenant_invoices RESET (autovacuum_enabled);

DROP SCHEMA seed CASCADE;
