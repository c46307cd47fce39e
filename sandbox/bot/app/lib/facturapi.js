'use strict';

const { createHash } = require('node:crypto');

const db = require('./db');

/** Returns a client of the invoicing service for the tenant's account. */
async function getFacturapiClient(tenantId) {
  const { rows } = await db.query('SELECT invoicing_account, tax_id FROM tenants WHERE id = $1', [tenantId]);
  if (rows.length === 0) {
    throw new Error(`there is no tenant ${tenantId}`);
  }
  const { invoicing_account: account, tax_id: taxId } = rows[0];
  return {
    /** Returns the fiscal id of an invoice. The service computes it; here it is computed on the spot. */
    stamp(invoice) {
      const text = [account, taxId, invoice.series, invoice.folio, invoice.total, process.hrtime.bigint()].join('|');
      const hex = createHash('sha256').update(text).digest('hex');
      return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
    },
  };
}

module.exports = { getFacturapiClient };
