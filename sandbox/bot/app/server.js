'use strict';

const { createApp } = require('./lib/app');
const db = require('./lib/db');

const server = createApp({ secret: process.env.WEBHOOK_SECRET });

server.listen(Number(process.env.PORT || 5000), () => {
  console.log(`listening on port ${server.address().port}`);
});

process.once('SIGTERM', () => {
  console.log('SIGTERM: finishing the requests at hand');
  server.close(() => db.end());
  server.closeIdleConnections();
});
