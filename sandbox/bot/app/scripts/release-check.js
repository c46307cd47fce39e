'use strict';

// The release command: a release whose code does not find its tables must not go live.

const db = require('../lib/db');

const TABLES = [
  'tenants',
  'tenant_users',
  'user_sessions',
  'tenant_folios',
  'tenant_customers',
  'tenant_invoices',
  'tenant_subscriptions',
];

async function main() {
  const { rows } = await db.query('SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL', [TABLES]);
  if (rows.length > 0) {
    throw new Error(`tables are missing: ${rows.map(({ name }) => name).join(', ')}`);
  }
  console.log(`release check: all ${TABLES.length} tables are there`);
}

main()
  .catch((error) => {
    console.error(`release check failed: ${error.message}`);
    process.exitCode = 1;
  })
  .finally(() => db.end());
