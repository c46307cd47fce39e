'use strict';

// Sends PDFs to the bot as the chat platform does, and measures each until the invoice is there. All updates are of one
// tenant, so that an invoice number given twice shows. The invoices are marked, and removed in the end.

const fs = require('node:fs');
const { parseArgs } = require('node:util');

const { writePdf } = require('../lib/pdf');
const { round, summarise } = require('../lib/summary');

const FIRST_CHAT = 900001;
const CHATS = 32;
const CUSTOMER = 'BENCHMARK CUSTOMER';

function readOptions() {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      updates: { type: 'string', default: '80' },
      clients: { type: 'string', default: '8' },
      phase: { type: 'string', default: 'probe' },
      out: { type: 'string', default: '-' },
    },
  });
  const updates = Number(values.updates);
  const clients = Number(values.clients);
  if (!values.url || !(updates >= 1) || !(clients >= 1 && clients <= CHATS)) {
    throw new Error(`usage: node scripts/probe-bot.js --url URL [--updates 80] [--clients 8 (at most ${CHATS})] [--phase before|after] [--out FILE|-]`);
  }
  if (!process.env.WEBHOOK_SECRET) {
    throw new Error('WEBHOOK_SECRET is not set; set it to the value of the app that is probed');
  }
  return { url: values.url, updates, clients, phase: values.phase.toUpperCase(), out: values.out };
}

function chatUpdate(number, client) {
  const pdf = writePdf([`Customer: ${CUSTOMER}`, `Total: ${(100 + number).toFixed(2)}`]);
  const chat = FIRST_CHAT + client;
  return {
    update_id: Date.now() * 1000 + number,
    message: {
      message_id: number,
      date: Math.floor(Date.now() / 1000),
      chat: { id: chat, type: 'private' },
      from: { id: chat, is_bot: false },
      caption: '#probe',
      document: {
        file_name: `order-${number}.pdf`,
        mime_type: 'application/pdf',
        file_size: pdf.length,
        content: pdf.toString('base64'),
      },
    },
  };
}

async function ask(url, method, path, body) {
  const response = await fetch(new URL(path, url), {
    method,
    headers: { 'Content-Type': 'application/json', 'X-Webhook-Secret': process.env.WEBHOOK_SECRET },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`${method} ${path} was answered ${response.status}: ${text.slice(0, 200)}`);
  }
  return JSON.parse(text);
}

async function probe({ url, updates, clients }) {
  const samples = [];
  const numbers = [];
  let sent = 0;
  let failed = 0;

  async function client(index) {
    while (sent < updates) {
      sent += 1;
      const update = chatUpdate(sent, index);
      const start = performance.now();
      try {
        const { invoice } = await ask(url, 'POST', 'webhook', update);
        samples.push(round(performance.now() - start));
        numbers.push(invoice);
      } catch (error) {
        failed += 1;
        console.error(error.message);
      }
    }
  }

  await Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
  return {
    operation: 'invoiceFromPdf',
    iterations: updates,
    successful: samples.length,
    failed,
    duplicates: numbers.length - new Set(numbers).size,
    ...summarise(samples),
    samples,
  };
}

async function main() {
  const options = readOptions();
  const result = await probe(options);
  const report = {
    phase: options.phase,
    timestamp: new Date().toISOString(),
    environment: process.env.NODE_ENV || 'development',
    results: [result],
  };
  fs.writeFileSync(options.out === '-' ? process.stdout.fd : options.out, `${JSON.stringify(report, null, 2)}\n`);
  await ask(options.url, 'DELETE', 'probe-invoices');
  if (result.successful === 0) {
    throw new Error(`none of ${result.iterations} updates became an invoice`);
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
