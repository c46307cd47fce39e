'use strict';

const db = require('./db');

const REMEMBERED_FOR = 5 * 60 * 1000;
const remembered = new Map();

/** Returns the user who writes in this chat, with his session: one round trip, two when the user is not remembered. */
async function getUserState(chatId) {
  const user = await findUser(chatId);
  const { rows } = await db.query('SELECT state, expires_at FROM user_sessions WHERE user_id = $1', [user.id]);
  return { user, session: rows[0] || null };
}

async function findUser(chatId) {
  const known = remembered.get(chatId);
  if (known && known.until > Date.now()) {
    return known.user;
  }
  const { rows } = await db.query(
    `SELECT u.id, u.tenant_id, u.display_name, u.role
     FROM tenant_users u JOIN tenants t ON t.id = u.tenant_id
     WHERE u.chat_id = $1`,
    [chatId],
  );
  if (rows.length === 0) {
    throw new Error(`nobody is registered for chat ${chatId}`);
  }
  remembered.set(chatId, { user: rows[0], until: Date.now() + REMEMBERED_FOR });
  return rows[0];
}

async function saveSession(userId, state) {
  await db.query(
    `INSERT INTO user_sessions (user_id, state, expires_at) VALUES ($1, $2, now() + interval '30 days')
     ON CONFLICT (user_id) DO UPDATE
     SET state = EXCLUDED.state, last_seen_at = now(), expires_at = EXCLUDED.expires_at`,
    [userId, state],
  );
}

function forgetUsers() {
  remembered.clear();
}

module.exports = { getUserState, saveSession, forgetUsers };
