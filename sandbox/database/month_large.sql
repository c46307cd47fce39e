-- The busy month of October 2026, in the two large tables. While it lasts autovacuum is off, and the caller holds a snapshot
-- open, as a forgotten report does: so no dead row can be removed. What it leaves is real bloat, in tables and in indexes.

ALTER TABLE tenant_customers SET (autovacuum_enabled = off);
ALTER TABLE tenant_invoices SET (autovacuum_enabled = off);

-- Customers were imported twice: the copies go, and half of the others get their address.
DELETE FROM tenant_customers WHERE id % 3 = 0;
UPDATE tenant_customers
SET address = 'Street ' || id % 997 || ', ' || id % 89, updated_at = timestamptz '2026-10-15 00:00+00'
WHERE id % 3 = 1;

-- Drafts are thrown away, and half of the invoices are paid.
DELETE FROM tenant_invoices WHERE status = 'draft';
UPDATE tenant_invoices SET status = 'paid', paid_at = created_at + interval '20 days' WHERE id % 3 = 1;
