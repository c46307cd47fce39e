'use strict';

const { Pool } = require('pg');

const pool = new Pool({
  connectionString: process.env.DATABASE_URL,
  application_name: 'invoice-bot',
  max: 20,
  connectionTimeoutMillis: 5000,
});

// An idle connection that the server ends is replaced by the pool; without a listener it would end the process.
pool.on('error', (error) => console.error(`idle database connection lost: ${error.message}`));

function query(text, values) {
  return pool.query(text, values);
}

/** Runs `work(client)` in one transaction. */
async function transaction(work) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

function end() {
  return pool.end();
}

module.exports = { query, transaction, end };
