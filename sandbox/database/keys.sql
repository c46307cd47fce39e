-- The keys that the app has. Missing on purpose: an index for the customer search, one for the invoice list, and a unique
-- key of (tenant_id, series, folio), without which nobody notices that a number was given twice.

ALTER TABLE tenants
    ADD PRIMARY KEY (id),
    ADD CONSTRAINT tenants_slug_key UNIQUE (slug),
    ADD CONSTRAINT tenants_tax_id_key UNIQUE (tax_id);

ALTER TABLE tenant_users
    ADD PRIMARY KEY (id),
    ADD CONSTRAINT tenant_users_chat_id_key UNIQUE (chat_id),
    ADD FOREIGN KEY (tenant_id) REFERENCES tenants (id);

ALTER TABLE user_sessions
    ADD PRIMARY KEY (id),
    ADD CONSTRAINT user_sessions_user_id_key UNIQUE (user_id),
    ADD FOREIGN KEY (user_id) REFERENCES tenant_users (id) ON DELETE CASCADE;

ALTER TABLE tenant_folios
    ADD PRIMARY KEY (id),
    ADD CONSTRAINT tenant_folios_tenant_id_series_key UNIQUE (tenant_id, series),
    ADD FOREIGN KEY (tenant_id) REFERENCES tenants (id);

ALTER TABLE tenant_customers
    ADD PRIMARY KEY (id),
    ADD CONSTRAINT tenant_customers_tenant_id_tax_id_key UNIQUE (tenant_id, tax_id),
    ADD FOREIGN KEY (tenant_id) REFERENCES tenants (id);

ALTER TABLE tenant_invoices
    ADD PRIMARY KEY (id),
    ADD CONSTRAINT tenant_invoices_fiscal_id_key UNIQUE (fiscal_id),
    ADD FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    ADD FOREIGN KEY (customer_id) REFERENCES tenant_customers (id);

CREATE INDEX tenant_invoices_customer_id_idx ON tenant_invoices (customer_id);

ALTER TABLE tenant_subscriptions
    ADD PRIMARY KEY (id),
    ADD CONSTRAINT tenant_subscriptions_tenant_id_key UNIQUE (tenant_id),
    ADD FOREIGN KEY (tenant_id) REFERENCES tenants (id);

SELECT setval(pg_get_serial_sequence('tenants', 'id'), (SELECT max(id) FROM tenants)),
       setval(pg_get_serial_sequence('tenant_users', 'id'), (SELECT max(id) FROM tenant_users)),
       setval(pg_get_serial_sequence('tenant_customers', 'id'), (SELECT max(id) FROM tenant_customers)),
       setval(pg_get_serial_sequence('tenant_invoices', 'id'), (SELECT max(id) FROM tenant_invoices));
