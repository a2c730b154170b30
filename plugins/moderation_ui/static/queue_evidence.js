// The evidence of a screen: texts to read and boxes to draw. Other versions than this page may
// have written it, so that it can be any JSON.
const MOST = 50; // of texts and of boxes
const TEXT_KEYS = ["payload", "text"];

const isPoint = (value) =>
  Array.isArray(value) && value.length === 2 && value.every((n) => Number.isFinite(n));

function pointsOf(value) {
  if (!Array.isArray(value)) return null;
  if (value.length >= 3 && value.every(isPoint)) return value;
  if (value.length === 4 && value.every((n) => Number.isFinite(n))) {
    const [left, top, right, bottom] = value; // two corners
    return [[left, top], [right, top], [right, bottom], [left, bottom]];
  }
  return null;
}

function visit(value, found) {
  if (found.texts.length >= MOST || found.boxes.length >= MOST) return;
  if (typeof value !== "object" || value === null) return;
  const points = pointsOf(Array.isArray(value) ? value : value.box);
  const text = TEXT_KEYS.map((key) => value[key]).find((said) => typeof said === "string") ?? "";
  if (points !== null) found.boxes.push({ points, text });
  if (text !== "") found.texts.push(text);
  if (Array.isArray(value) && points !== null) return;
  for (const [key, part] of Object.entries(value)) if (key !== "box") visit(part, found);
}

// Boxes of one of several views would be drawn on the picture of all of them.
// {texts: [string], boxes: [{points: [[x, y], ...], text}]}
export function read(evidence) {
  const found = { texts: [], boxes: [] };
  visit(evidence, found);
  const boxes = Number.isFinite(evidence?.view) ? [] : found.boxes;
  return { texts: [...new Set(found.texts)], boxes };
}
