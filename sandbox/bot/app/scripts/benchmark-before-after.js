'use strict';

// Measures the bot's database operations: --before, --after, then --compare. Files go into the current directory.

const fs = require('node:fs');
const { parseArgs } = require('node:util');

const { findCustomer } = require('../lib/customers');
const db = require('../lib/db');
const { getFacturapiClient } = require('../lib/facturapi');
const { getNextFolio } = require('../lib/folios');
const { incrementInvoiceCount } = require('../lib/subscriptions');
const { round, summarise } = require('../lib/summary');
const { forgetUsers, getUserState } = require('../lib/users');

const USAGE = 'usage: node scripts/benchmark-before-after.js --before | --after | --compare [BEFORE.json AFTER.json]';
const ITERATIONS = Number(process.env.BENCHMARK_ITERATIONS || 20);
const CHAT = 900001;
const CUSTOMER = 'BENCHMARK CUSTOMER';

/** Each operation: what is measured, and what is done before each call or after all of them, unmeasured. */
function operations(tenantId) {
  return {
    getNextFolio: { call: () => getNextFolio(tenantId, 'A') },
    getUserState_cold: { before: forgetUsers, call: () => getUserState(CHAT) },
    getUserState_warm: { call: () => getUserState(CHAT) },
    getFacturapiClient: { call: () => getFacturapiClient(tenantId) },
    findCustomer: { call: () => findCustomer(tenantId, CUSTOMER) },
    incrementInvoiceCount: {
      call: () => incrementInvoiceCount(tenantId),
      cleanUp: (counted) => incrementInvoiceCount(tenantId, -counted),
    },
  };
}

async function measureAll(phase) {
  if (!Number.isInteger(ITERATIONS) || ITERATIONS < 1) {
    throw new Error(`BENCHMARK_ITERATIONS is ${process.env.BENCHMARK_ITERATIONS}; it must be a whole number above 0`);
  }
  const { user } = await getUserState(CHAT);
  const results = [];
  for (const [name, operation] of Object.entries(operations(user.tenant_id))) {
    results.push(await measure(name, operation));
  }
  const now = new Date();
  const report = {
    phase: phase.toUpperCase(),
    timestamp: now.toISOString(),
    environment: process.env.NODE_ENV || 'development',
    results,
  };
  console.table(results);
  write(`benchmark-results-${phase}-${now.getTime()}.json`, report);
  const dead = results.filter(({ successful }) => successful === 0).map(({ operation }) => operation);
  if (dead.length > 0) {
    throw new Error(`every call failed of: ${dead.join(', ')}`);
  }
}

async function measure(name, { before, call, cleanUp }) {
  const samples = [];
  let failed = 0;
  for (let iteration = 0; iteration < ITERATIONS; iteration += 1) {
    before?.();
    const start = performance.now();
    try {
      await call();
      samples.push(performance.now() - start);
    } catch (error) {
      failed += 1;
      console.error(`${name}: ${error.message}`);
    }
  }
  await cleanUp?.(samples.length);
  return { operation: name, iterations: ITERATIONS, successful: samples.length, failed, ...summarise(samples) };
}

function compare(files) {
  const [before, after] = files.length === 2 ? files : [newest('before'), newest('after')];
  const averages = (file) =>
    new Map(JSON.parse(fs.readFileSync(file, 'utf8')).results.map(({ operation, avg }) => [operation, avg]));
  const then = averages(before);
  const now = averages(after);
  const common = [...then.keys()].filter((operation) => then.get(operation) !== null && Number.isFinite(now.get(operation)));
  const improvements = common.map((operation) => ({
    operation,
    ...improvement(then.get(operation), now.get(operation)),
  }));
  const total = (figures) => round(common.reduce((sum, operation) => sum + figures.get(operation), 0));
  const date = new Date();
  console.table(improvements);
  write(`benchmark-comparison-${date.getTime()}.json`, {
    timestamp: date.toISOString(),
    before,
    after,
    improvements,
    totalImprovement: improvement(total(then), total(now)),
  });
}

function improvement(before, after) {
  return {
    before,
    after,
    improvement: round(before - after),
    improvementPct: before > 0 ? Math.round(((before - after) / before) * 10000) / 100 : 0,
  };
}

function newest(phase) {
  const pattern = new RegExp(`^benchmark-results-${phase}-(\\d+)\\.json$`);
  const times = fs.readdirSync('.').flatMap((name) => pattern.exec(name)?.[1] ?? []);
  if (times.length === 0) {
    throw new Error(`there is no benchmark-results-${phase}-*.json here; run with --${phase} first`);
  }
  return `benchmark-results-${phase}-${Math.max(...times.map(Number))}.json`;
}

function write(name, content) {
  fs.writeFileSync(name, `${JSON.stringify(content, null, 2)}\n`);
  console.log(`written: ${name}`);
}

async function main() {
  const options = { before: { type: 'boolean' }, after: { type: 'boolean' }, compare: { type: 'boolean' } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [chosen, ...others] = Object.keys(values);
  if (!chosen || others.length > 0 || ![0, 2].includes(positionals.length)) {
    throw new Error(USAGE);
  }
  await (chosen === 'compare' ? compare(positionals) : measureAll(chosen));
}

main()
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  })
  .finally(() => db.end());
