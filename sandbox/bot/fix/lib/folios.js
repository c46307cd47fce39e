'use strict';

const db = require('./db');

/** Returns the next invoice number of the tenant's series: one statement, so that no number is given twice. */
async function getNextFolio(tenantId, series) {
  const { rows } = await db.query(
    `INSERT INTO tenant_folios (tenant_id, series, current_number) VALUES ($1, $2, 1)
     ON CONFLICT (tenant_id, series) DO UPDATE
     SET current_number = tenant_folios.current_number + 1, updated_at = now()
     RETURNING current_number`,
    [tenantId, series],
  );
  return Number(rows[0].current_number);
}

module.exports = { getNextFolio };
