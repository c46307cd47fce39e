'use strict';

const { createHash, timingSafeEqual } = require('node:crypto');
const http = require('node:http');

const db = require('./db');
const { createInvoice, listInvoices, removeProbeInvoices } = require('./invoices');
const { readUpdate } = require('./updates');

const LARGEST_BODY = 1024 * 1024;

class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Returns the bot as an HTTP server that does not listen yet. */
function createApp({ secret }) {
  if (!secret) {
    throw new Error('WEBHOOK_SECRET is not set');
  }
  return http.createServer((request, response) => {
    route(request, secret)
      .catch(failure)
      .then(({ status, body }) => {
        response.writeHead(status, { 'Content-Type': 'application/json' });
        response.end(JSON.stringify(body));
      });
  });
}

async function route(request, secret) {
  const pathname = request.url.split('?')[0].replace(/^\/+/, '/');
  if (request.method === 'GET' && pathname === '/health') {
    return health();
  }
  requireSecret(request, secret);
  if (request.method === 'POST' && pathname === '/webhook') {
    const invoice = await createInvoice(await parse(request));
    return { status: 200, body: { ok: true, invoice: `${invoice.series}-${invoice.folio}` } };
  }
  if (request.method === 'DELETE' && pathname === '/probe-invoices') {
    return { status: 200, body: { ok: true, removed: await removeProbeInvoices() } };
  }
  const list = /^\/tenants\/(\d+)\/invoices$/.exec(pathname);
  if (request.method === 'GET' && list) {
    return { status: 200, body: { ok: true, invoices: await listInvoices(list[1]) } };
  }
  throw new HttpError(404, 'no such route');
}

async function health() {
  const running = { commit: process.env.HEROKU_SLUG_COMMIT, release: process.env.HEROKU_RELEASE_VERSION };
  try {
    await db.query('SELECT 1');
    return { status: 200, body: { status: 'ok', ...running } };
  } catch (error) {
    console.error(`health: ${error.message}`);
    return { status: 503, body: { status: 'error', ...running, error: 'the database does not answer' } };
  }
}

function requireSecret(request, secret) {
  const digest = (text) => createHash('sha256').update(text).digest();
  if (!timingSafeEqual(digest(request.headers['x-webhook-secret'] || ''), digest(secret))) {
    throw new HttpError(401, 'wrong or missing X-Webhook-Secret');
  }
}

async function parse(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > LARGEST_BODY) {
      throw new HttpError(413, 'the update is too large');
    }
    chunks.push(chunk);
  }
  try {
    return readUpdate(JSON.parse(Buffer.concat(chunks).toString('utf8')));
  } catch (error) {
    throw new HttpError(400, `not a chat update with a PDF: ${error.message}`);
  }
}

function failure(error) {
  const status = error.status || 500;
  if (status === 500) {
    console.error(error);
  }
  return { status, body: { ok: false, error: status === 500 ? 'internal error' : error.message } };
}

module.exports = { createApp };
