// Decisions that the server has not confirmed: sent at once, in order, one request at
// a time, until they are accepted. Kept over a reload, so that no decision is lost silently.
import { page } from "./page.js";
import { ask, post } from "./requests.js";

const MAX_BATCH = 50; // of the server's
const KEPT_BYTES = 30_000; // browsers let a closing page send 64 KiB in all
const MIN_WAIT_MS = 1_000;
const MAX_WAIT_MS = 30_000;
const LATER = new Set(["unavailable", "storage_forbidden", "internal"]);
const STORE = `moderation-queue:${page.user}`;

// Outage, overload and an expired login are temporary; a rejection with a reason is final.
const passing = (error) =>
  error.code === undefined ||
  LATER.has(error.code) ||
  error.status === 0 ||
  error.status >= 500 ||
  [401, 403, 408, 429].includes(error.status);

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(STORE) ?? "[]");
  } catch {
    return [];
  }
}

export class Outbox extends EventTarget {
  // An item: {kind: "decide", task, label, note} | {kind: "skip", task} | {kind: "undo", task}.
  items = stored();
  #sending = 0;
  #wait = 0;
  #timer = null;
  #alone = false; // one decision a request, to find the one that spoils the rest

  get unsaved() {
    return this.items.length;
  }

  // Whether the last attempt failed and the next one is still to come.
  get waits() {
    return this.#timer !== null;
  }

  holds(taskId) {
    return this.items.some((item) => item.task.task_id === taskId);
  }

  add(items) {
    this.items.push(...items);
    this.#changed();
    this.#send();
  }

  // Removes a decision that was not sent yet; false where it was.
  withdraw(taskId) {
    const index = this.items.findLastIndex((item) => item.task.task_id === taskId);
    if (index < this.#sending || this.items[index]?.kind !== "decide") return false;
    this.items.splice(index, 1);
    this.#changed();
    return true;
  }

  retryNow() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#send();
  }

  async #send() {
    if (this.#sending > 0 || this.#timer !== null || this.items.length === 0) return;
    const batch = this.#next();
    this.#sending = batch.length;
    try {
      const answers = await this.#request(batch);
      this.#wait = 0;
      this.#alone = false;
      this.#settle(batch, answers);
    } catch (error) {
      this.#failed(batch, error);
    }
    this.#sending = 0;
    this.#changed();
    this.#send();
  }

  #next() {
    const [first] = this.items;
    if (first.kind !== "decide" || this.#alone) return [first];
    const end = this.items.findIndex((item) => item.kind !== "decide");
    return this.items.slice(0, Math.min(end === -1 ? this.items.length : end, MAX_BATCH));
  }

  async #request(batch) {
    const [first] = batch;
    if (first.kind !== "decide") {
      const answer = await post(`/api/queue/${first.kind}`, { task_id: first.task.task_id });
      return [{ ok: true, ...answer }];
    }
    const decisions = batch.map(({ task, label, note }) => ({
      task_id: task.task_id,
      label,
      category: null,
      note,
    }));
    // Sent even if the page closes meanwhile.
    const keepalive = JSON.stringify(decisions).length < KEPT_BYTES;
    const { results } = await ask("POST", "/api/queue/decide", { decisions }, { keepalive });
    const byTask = new Map(results.map((result) => [result.task_id, result]));
    return decisions.map(({ task_id: id }) => byTask.get(id));
  }

  // A request that failed for now stays, with all after it, to keep the order.
  #settle(batch, answers) {
    const stuck = answers.findIndex((answer) => !answer || LATER.has(answer.error));
    const settled = stuck === -1 ? batch.length : stuck;
    this.items.splice(0, settled);
    batch.slice(0, settled).forEach((item, index) => this.#tell(item, answers[index]));
    if (stuck !== -1) this.#later();
  }

  #tell(item, answer) {
    const name = answer.ok ? "taken" : "refused";
    this.dispatchEvent(new CustomEvent(name, { detail: { item, answer } }));
  }

  #failed(batch, error) {
    if (passing(error)) {
      if (error.status === 401 || error.status === 403) this.dispatchEvent(new Event("signedout"));
      this.#later();
    } else if (batch.length > 1) {
      this.#alone = true;
    } else {
      this.items.shift();
      this.#tell(batch[0], { ok: false, error: error.code, detail: error.detail });
    }
  }

  #later() {
    this.#wait = Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, this.#wait * 2));
    this.#timer = setTimeout(() => this.retryNow(), this.#wait);
  }

  #changed() {
    try {
      sessionStorage.setItem(STORE, JSON.stringify(this.items));
    } catch {
      // Without storage the page still warns before it is left.
    }
    this.dispatchEvent(new Event("change"));
  }
}
