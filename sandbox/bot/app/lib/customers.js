'use strict';

const db = require('./db');

/** Returns the tenant's first customer whose legal name begins with `prefix`, or null. */
async function findCustomer(tenantId, prefix) {
  const pattern = `${prefix.replace(/[\\%_]/g, '\\$&')}%`;
  const { rows } = await db.query(
    `SELECT id, legal_name, tax_id, email FROM tenant_customers
     WHERE tenant_id = $1 AND legal_name LIKE $2
     ORDER BY legal_name LIMIT 1`,
    [tenantId, pattern],
  );
  return rows[0] || null;
}

module.exports = { findCustomer };
