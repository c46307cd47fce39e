'use strict';

/** Returns the text that an uncompressed PDF shows, one line for each `Tj` operator. */
function readText(pdf) {
  const source = pdf.toString('latin1');
  if (!source.startsWith('%PDF-')) {
    throw new Error('it does not begin with %PDF-');
  }
  const shown = source.matchAll(/\(((?:\\.|[^\\()])*)\)\s*Tj/g);
  return Array.from(shown, ([, text]) => text.replace(/\\(.)/g, '$1')).join('\n');
}

/** Returns a one-page PDF that shows `lines`. */
function writePdf(lines) {
  const shown = lines.map((line) => `(${line.replace(/[\\()]/g, '\\$&')}) Tj T*`).join('\n');
  const content = `BT /F1 12 Tf 72 720 Td 14 TL\n${shown}\nET`;
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ];
  let pdf = '%PDF-1.4\n';
  const offsets = objects.map((object, index) => {
    const offset = pdf.length;
    pdf += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return offset;
  });
  const start = pdf.length;
  const entries = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  pdf += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${entries}`;
  pdf += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${start}\n%%EOF\n`;
  return Buffer.from(pdf, 'latin1');
}

module.exports = { readText, writePdf };
