-- What the bot's users had entered when the busy month began. Every value is a function of its row's number and of
-- :seed, so that two databases of one :scale are equal, row by row. All names are made of syllables.

SELECT (450000 * :scale)::bigint AS customers, (1500000 * :scale)::bigint AS invoices \gset

CREATE SCHEMA seed;

-- 52 bits of a hash as a number in [0, 1)
CREATE FUNCTION seed.draw(row_number bigint, purpose integer) RETURNS double precision IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(row_number, purpose + 1000 * :seed::bigint) & 4503599627370495)::float8 / 4503599627370496::float8;

-- A few large tenants and many small ones: the first has a sixth of all customers.
CREATE FUNCTION seed.tenant(customer bigint) RETURNS bigint IMMUTABLE PARALLEL SAFE
RETURN CASE customer WHEN 1 THEN 1 ELSE 1 + floor(250 * seed.draw(customer, 1) ^ 3)::bigint END;

CREATE FUNCTION seed.name(row_number bigint, purpose integer) RETURNS text IMMUTABLE PARALLEL SAFE
RETURN upper(
    (ARRAY['ba','ke','li','mo','nu','pra','se','ti','vo','zu'])[1 + floor(10 * seed.draw(row_number, purpose))::int]
    || (ARRAY['dan','fel','gor','hin','jul','kas','lem','mir','nov','pex'])[1 + floor(10 * seed.draw(row_number, purpose + 1))::int]
    || (ARRAY['a','eda','ico','ova','una','ari','el','ium','or','yx'])[1 + floor(10 * seed.draw(row_number, purpose + 2))::int]);

INSERT INTO tenants (id, slug, legal_name, tax_id, invoicing_account, created_at)
SELECT n,
       CASE n WHEN 1 THEN 'benchmark' ELSE 'tenant-' || n END,
       CASE n WHEN 1 THEN 'BENCHMARK TENANT' ELSE seed.name(n, 10) || ' TRADING ' || n END,
       'T' || lpad(n::text, 11, '0'),
       'account-' || lpad(n::text, 4, '0'),
       timestamptz '2025-01-01 00:00+00' + n * interval '1 day'
FROM generate_series(1, 250) AS n
ORDER BY n;

INSERT INTO tenant_users (id, tenant_id, chat_id, display_name, role, created_at)
SELECT n,
       CASE WHEN n <= 32 THEN 1 ELSE 1 + n % 250 END,
       CASE WHEN n <= 32 THEN 900000 + n ELSE 100000 + n END,
       CASE WHEN n <= 32 THEN 'Benchmark user ' || n ELSE initcap(seed.name(n, 20)) END,
       CASE WHEN n <= 250 THEN 'owner' ELSE 'clerk' END,
       timestamptz '2025-01-01 08:00+00' + n * interval '6 hours'
FROM generate_series(1, 1000) AS n
ORDER BY n;

INSERT INTO user_sessions (user_id, state, last_seen_at, expires_at)
SELECT n, '{"step": "idle"}', timestamptz '2026-10-01 06:00+00', timestamptz '2027-10-01 00:00+00'
FROM generate_series(1, 200) AS n
ORDER BY n;

INSERT INTO tenant_customers (id, tenant_id, legal_name, tax_id, email, address, created_at, updated_at)
SELECT n,
       seed.tenant(n),
       CASE n WHEN 1 THEN 'BENCHMARK CUSTOMER' ELSE seed.name(n, 30) || ' ' || seed.name(n, 33) || ' ' || n END,
       'C' || lpad(n::text, 11, '0'),
       'customer-' || n || '@example.com',
       '',
       timestamptz '2025-01-01 00:00+00' + n * interval '638 days' / :customers,
       timestamptz '2026-10-01 00:00+00'
FROM generate_series(1, :customers) AS n
ORDER BY n;

-- Two of three become invoices with a number, the third stays a draft; customers whose id is a multiple of three have none.
INSERT INTO tenant_invoices (id, tenant_id, customer_id, series, folio, status, total, fiscal_id, created_at)
SELECT n,
       tenant_id,
       customer_id,
       'A',
       CASE WHEN n % 3 > 0 THEN count(*) FILTER (WHERE n % 3 > 0) OVER (PARTITION BY tenant_id ORDER BY n) END,
       CASE WHEN n % 3 > 0 THEN 'issued' ELSE 'draft' END,
       round((10 + 4990 * seed.draw(n, 42) ^ 2)::numeric, 2),
       CASE WHEN n % 3 > 0 THEN md5('fiscal ' || n)::uuid END,
       timestamptz '2025-01-02 00:00+00' + n * interval '637 days' / :invoices
FROM (
    SELECT n, customer_id, seed.tenant(customer_id) AS tenant_id
    FROM (
        SELECT n, 3 * floor(:customers / 3 * seed.draw(n, 40))::bigint + 1 + n % 2 AS customer_id
        FROM generate_series(1, :invoices) AS n
        OFFSET 0
    ) AS with_customer
    OFFSET 0
) AS with_tenant
ORDER BY n;

INSERT INTO tenant_folios (tenant_id, series, current_number, updated_at)
SELECT n, 'A', coalesce(max(folio), 0), timestamptz '2026-10-01 00:00+00'
FROM generate_series(1, 250) AS n
LEFT JOIN tenant_invoices ON tenant_id = n
GROUP BY n
ORDER BY n;

-- Most tenants pay per invoice; six have a subscription.
INSERT INTO tenant_subscriptions (tenant_id, plan, invoices_used, period_start)
SELECT n, 'monthly', 0, date '2026-10-01'
FROM generate_series(1, 6) AS n
ORDER BY n;
