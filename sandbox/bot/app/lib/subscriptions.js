'use strict';

const db = require('./db');

/** Counts `invoices` more for the tenant's subscription; tenants without one pay per invoice. */
async function incrementInvoiceCount(tenantId, invoices = 1) {
  await db.query('UPDATE tenant_subscriptions SET invoices_used = invoices_used + $2 WHERE tenant_id = $1', [
    tenantId,
    invoices,
  ]);
}

module.exports = { incrementInvoiceCount };
