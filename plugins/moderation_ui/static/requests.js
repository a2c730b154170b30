// Requests to our own server: JSON both ways, the page's token with every write, typed errors.
import { page, words } from "./page.js";

export class Refusal extends Error {
  constructor(status, code, detail) {
    super(page.words[`errors.${code}`] ?? words("errors.internal"));
    this.status = status;
    this.code = code;
    this.detail = detail;
  }
}

export async function ask(method, path, body, options = {}) {
  const headers = { "X-Moderation-Token": page.token };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    answer = await fetch(`${page.base}${path}`, { method, headers, body: sent, ...options });
  } catch {
    const offline = new Refusal(0, "unavailable", "");
    offline.message = words("common.offline");
    throw offline;
  }
  const text = await answer.text();
  let said = null;
  try {
    said = text === "" ? null : JSON.parse(text);
  } catch {
    throw new Refusal(answer.status, "internal", "");
  }
  if (!answer.ok) throw new Refusal(answer.status, said?.error, said?.detail ?? "");
  return said;
}

export const get = (path) => ask("GET", path);
export const post = (path, body = {}) => ask("POST", path, body);
export const put = (path, body = {}) => ask("PUT", path, body);
