// Waiting photos, and the reviewer's own pace. An unknown number is shown as unknown, not as 0.
import { words } from "./page.js";
import { byId } from "./queue_dom.js";
import { post } from "./requests.js";
import { age, number } from "./queue_words.js";

const EVERY_MS = 15_000;
const AFTER_DECISION_MS = 2_000;
const MAX_PAUSE_MS = 60_000; // a longer pause is no part of the pace
const ENOUGH = 3;
const CLAIM_MS = 300;

export class Counts extends EventTarget {
  known = null; // as the server said it last; null: it did not answer
  done = 0;
  #queue;
  #outbox;
  #mine = 0; // of `claimed`, when the server answered
  #soon = null;
  #asked = 0;
  #last = null;
  #spent = 0;

  constructor(queue, outbox) {
    super();
    this.#queue = queue;
    this.#outbox = outbox;
    setInterval(() => document.visibilityState === "visible" && this.refresh(), EVERY_MS);
    queue.addEventListener("change", () => this.#show());
    queue.addEventListener("taken", ({ detail }) => this.#moved(detail));
  }

  decided(count) {
    const now = Date.now();
    if (this.#last !== null) this.#spent += Math.min(MAX_PAUSE_MS, now - this.#last);
    this.#last = now;
    this.done = Math.max(0, this.done + count);
    this.#later(AFTER_DECISION_MS);
    this.#show();
  }

  // Claimed photos are no longer open, as the server's next numbers will say.
  #moved(count) {
    if (this.known === null) return;
    const { open, claimed } = this.known;
    this.known = { ...this.known, open: Math.max(0, open - count), claimed: claimed + count };
    this.#mine += count;
  }

  #later(ms) {
    this.#soon ??= setTimeout(() => this.refresh(), ms);
  }

  // A claim moves photos from "open" to here: numbers read meanwhile would count them twice.
  async refresh() {
    clearTimeout(this.#soon);
    this.#soon = null;
    if (this.#queue.claiming) {
      this.#later(CLAIM_MS);
      return;
    }
    const { claims } = this.#queue;
    this.#asked += 1;
    const asked = this.#asked;
    let answer = null;
    try {
      answer = await post("/api/queue/counts", { filters: this.#queue.filters });
    } catch {
      // The page then shows unknown.
    }
    if (asked !== this.#asked) return;
    if (answer !== null && claims !== this.#queue.claims) {
      this.#later(CLAIM_MS);
      return;
    }
    this.known = answer;
    this.#mine = this.#queue.ahead.length + this.#outbox.unsaved;
    this.#show();
    this.dispatchEvent(new Event("change"));
  }

  #show() {
    const { known } = this;
    const say = (id, key, value) => {
      const shown = value === null ? words(`queue.${key}_unknown`) : value;
      if (byId(id).textContent !== shown) byId(id).textContent = shown;
    };
    const mine = this.#queue.ahead.length;
    const others = known && Math.max(0, known.claimed - this.#mine);
    const oldest = known?.oldest_seconds;
    say("waiting", "waiting", known && words("queue.waiting", { n: number(known.open + mine) }));
    say("others", "others", known && words("queue.with_others", { n: number(others) }));
    say("oldest", "oldest", known && words("queue.oldest", { age: this.#oldest(oldest) }));
    this.#pace();
  }

  // Photos claimed here are not among the open ones, and may be the oldest.
  #oldest(seconds) {
    const held = this.#queue.ahead.map((task) => (Date.now() - new Date(task.opened_at)) / 1000);
    const oldest = Math.max(seconds ?? 0, ...held);
    return seconds === null && held.length === 0 ? "–" : age(Math.max(0, oldest));
  }

  #pace() {
    byId("done").hidden = this.done === 0;
    byId("done").textContent = words("queue.done", { n: number(this.done) });
    const known = this.done >= ENOUGH && this.#spent > 0;
    byId("pace").hidden = !known;
    if (!known) return;
    const pace = (this.done / this.#spent) * 60_000;
    byId("pace").textContent = words("queue.pace", { n: number(Math.round(pace)) });
  }
}
