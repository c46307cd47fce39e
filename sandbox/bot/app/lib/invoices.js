'use strict';

const { findCustomer } = require('./customers');
const db = require('./db');
const { getFacturapiClient } = require('./facturapi');
const { getNextFolio } = require('./folios');
const { incrementInvoiceCount } = require('./subscriptions');
const { getUserState, saveSession } = require('./users');

const SERIES = 'A';

/** Makes the invoice that a chat update asks for; returns { series, folio }. */
async function createInvoice({ chatId, customer: name, total, probe }) {
  const { user } = await getUserState(chatId);
  const customer = await findCustomer(user.tenant_id, name);
  if (!customer) {
    throw new Error(`tenant ${user.tenant_id} has no customer whose name begins with ${name}`);
  }
  const client = await getFacturapiClient(user.tenant_id);
  const invoice = { series: SERIES, folio: await getNextFolio(user.tenant_id, SERIES), total };
  await db.query(
    `INSERT INTO tenant_invoices (tenant_id, customer_id, series, folio, status, total, fiscal_id, origin)
     VALUES ($1, $2, $3, $4, 'issued', $5, $6, $7)`,
    [
      user.tenant_id,
      customer.id,
      invoice.series,
      invoice.folio,
      invoice.total,
      client.stamp(invoice),
      probe ? 'probe' : 'chat',
    ],
  );
  await incrementInvoiceCount(user.tenant_id);
  await saveSession(user.id, { step: 'idle', last: `${invoice.series}-${invoice.folio}` });
  return invoice;
}

async function listInvoices(tenantId) {
  const { rows } = await db.query(
    `SELECT series, folio, status, total, created_at FROM tenant_invoices
     WHERE tenant_id = $1 ORDER BY created_at DESC LIMIT 20`,
    [tenantId],
  );
  return rows;
}

/** Removes the invoices that probes made, and does not count them; returns how many there were. */
async function removeProbeInvoices() {
  const { rows } = await db.query(
    `WITH removed AS (DELETE FROM tenant_invoices WHERE origin = 'probe' RETURNING tenant_id),
          counted AS (SELECT tenant_id, count(*)::int AS invoices FROM removed GROUP BY tenant_id),
          uncounted AS (UPDATE tenant_subscriptions s SET invoices_used = s.invoices_used - c.invoices
                        FROM counted c WHERE c.tenant_id = s.tenant_id)
     SELECT count(*)::int AS removed FROM removed`,
  );
  return rows[0].removed;
}

module.exports = { createInvoice, listInvoices, removeProbeInvoices };
