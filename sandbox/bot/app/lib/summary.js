'use strict';

/** Returns the figures of a series of milliseconds; all null when there is none. */
function summarise(samples) {
  if (samples.length === 0) {
    return { min: null, max: null, avg: null, median: null, p95: null, stdDev: null };
  }
  const sorted = [...samples].sort((a, b) => a - b);
  const avg = sum(sorted) / sorted.length;
  const squares = sorted.map((sample) => (sample - avg) ** 2);
  return {
    min: round(sorted[0]),
    max: round(sorted.at(-1)),
    avg: round(avg),
    median: round(quantile(sorted, 0.5)),
    p95: round(quantile(sorted, 0.95)),
    stdDev: round(Math.sqrt(sum(squares) / Math.max(1, sorted.length - 1))),
  };
}

/** Returns the quantile of sorted numbers, interpolated between neighbours. */
function quantile(sorted, share) {
  const position = share * (sorted.length - 1);
  const below = sorted[Math.floor(position)];
  const above = sorted[Math.ceil(position)];
  return below + (above - below) * (position - Math.floor(position));
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Rounds milliseconds to microseconds. */
function round(number) {
  return Math.round(number * 1000) / 1000;
}

module.exports = { summarise, round };
