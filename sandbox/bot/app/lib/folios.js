'use strict';

const db = require('./db');

/** Returns the next invoice number of the tenant's series. */
async function getNextFolio(tenantId, series) {
  const { rows } = await db.query(
    'SELECT current_number FROM tenant_folios WHERE tenant_id = $1 AND series = $2',
    [tenantId, series],
  );
  if (rows.length === 0) {
    await db.query('INSERT INTO tenant_folios (tenant_id, series, current_number) VALUES ($1, $2, 1)', [
      tenantId,
      series,
    ]);
    return 1;
  }
  const next = Number(rows[0].current_number) + 1;
  await db.query(
    'UPDATE tenant_folios SET current_number = $3, updated_at = now() WHERE tenant_id = $1 AND series = $2',
    [tenantId, series, next],
  );
  return next;
}

module.exports = { getNextFolio };
