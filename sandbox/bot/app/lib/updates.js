'use strict';

const { readText } = require('./pdf');

/**
 * Reads a chat update with a PDF whose text has the lines "Customer: NAME" and "Total: 123.45".
 * Returns { chatId, customer, total, probe }; throws when something is missing.
 */
function readUpdate(update) {
  const { chat, document, caption } = update.message;
  if (document.mime_type !== 'application/pdf') {
    throw new Error(`the document is ${document.mime_type}`);
  }
  const text = readText(Buffer.from(document.content, 'base64'));
  return {
    chatId: Number(chat.id),
    customer: field(text, 'Customer'),
    total: Number(field(text, 'Total')),
    probe: caption === '#probe',
  };
}

function field(text, name) {
  const found = new RegExp(`^${name}: (.+)$`, 'm').exec(text);
  if (!found) {
    throw new Error(`the PDF has no line "${name}: …"`);
  }
  return found[1].trim();
}

module.exports = { readUpdate };
