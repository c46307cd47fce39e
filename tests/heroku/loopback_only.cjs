// SPDX-License-Identifier: GPL-3.0-or-later
// Loaded by node before the Heroku CLI: a connection to any host but loopback is refused, and noted in a file.
'use strict'

const fs = require('node:fs')
const net = require('node:net')

const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1'])
const connect = net.Socket.prototype.connect

net.Socket.prototype.connect = function (...given) {
  const first = Array.isArray(given[0]) ? given[0][0] : given[0]
  const options = typeof first === 'object' ? first : {port: first, host: given[1]}
  const host = typeof options.host === 'string' ? options.host : 'localhost'
  if (!options.path && typeof first !== 'string' && !LOOPBACK.has(host)) {
    fs.appendFileSync(process.env.LOOPBACK_ONLY_REFUSED, `${host}:${options.port}\n`)
    throw new Error(`loopback_only.cjs: this process may not connect to ${host}:${options.port}`)
  }
  return connect.apply(this, given)
}
