'use strict';

const db = require('./db');

/** Returns the next invoice number of the tenant's series; locks it, and reads it again to be sure. */
function getNextFolio(tenantId, series) {
  return db.transaction(async (client) => {
    await client.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`${tenantId} ${series}`]);
    await client.query(
      `INSERT INTO tenant_folios (tenant_id, series, current_number) VALUES ($1, $2, 0)
       ON CONFLICT (tenant_id, series) DO NOTHING`,
      [tenantId, series],
    );
    const before = await readForUpdate(client, tenantId, series);
    await client.query(
      'UPDATE tenant_folios SET current_number = $3, updated_at = now() WHERE tenant_id = $1 AND series = $2',
      [tenantId, series, before + 1],
    );
    const after = await readForUpdate(client, tenantId, series);
    if (after !== before + 1) {
      throw new Error(`series ${series} went from ${before} to ${after}`);
    }
    return after;
  });
}

async function readForUpdate(client, tenantId, series) {
  const { rows } = await client.query(
    'SELECT current_number FROM tenant_folios WHERE tenant_id = $1 AND series = $2 FOR UPDATE',
    [tenantId, series],
  );
  return Number(rows[0].current_number);
}

module.exports = { getNextFolio };
