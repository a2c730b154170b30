// The lease on claimed photos: renewed while the reviewer is active, released when the page closes.
import { byId } from "./queue_dom.js";
import { facts } from "./queue_facts.js";
import { ask, post } from "./requests.js";

const LEASE_MS = facts.lease_seconds * 1000;
const SIGNS = ["keydown", "pointerdown", "pointermove", "wheel"];

export class Lease {
  #queue;
  #outbox;
  #dialog = byId("idle");
  #used = Date.now();

  constructor(queue, outbox) {
    this.#queue = queue;
    this.#outbox = outbox;
    for (const sign of SIGNS) {
      document.addEventListener(sign, () => this.#touch(), { passive: true, capture: true });
    }
    setInterval(() => this.#tick(), LEASE_MS / 3);
    document.addEventListener("visibilitychange", () => this.#shown());
    window.addEventListener("pagehide", () => this.#releaseAll());
    window.addEventListener("pageshow", (event) => event.persisted && this.#wake());
    this.#dialog.addEventListener("close", () => this.#back());
  }

  #touch() {
    if (!this.#dialog.open) this.#used = Date.now();
  }

  #tick() {
    if (document.visibilityState !== "visible" || this.#dialog.open) return;
    const idle = Date.now() - this.#used >= LEASE_MS;
    if (!idle) this.renew();
    else if (this.#queue.ahead.length > 0) this.#ask();
  }

  // Over another open dialog, too: a dialog that is shown last lies on top.
  #ask() {
    this.#dialog.showModal();
  }

  #back() {
    this.#used = Date.now();
    this.renew();
  }

  #shown() {
    if (document.visibilityState === "visible" && !this.#dialog.open) this.renew();
  }

  #undecided() {
    return this.#queue.ahead.map((task) => task.task_id).filter((id) => !this.#outbox.holds(id));
  }

  // The photos that the server omits belong to other reviewers now.
  async renew() {
    const ids = this.#undecided();
    if (ids.length === 0) return;
    try {
      const { held } = await post("/api/queue/renew", { task_ids: ids });
      const still = new Set(held);
      this.#queue.drop(ids.filter((id) => !still.has(id) && !this.#outbox.holds(id)));
    } catch {
      // The next tick tries again; the server rejects a decision on a lost photo.
    }
  }

  #releaseAll() {
    const ids = this.#undecided();
    if (ids.length === 0) return;
    const released = { task_ids: ids };
    ask("POST", "/api/queue/release", released, { keepalive: true }).catch(() => {});
  }

  // Shown again from the browser's cache: all photos were released when the page was left.
  #wake() {
    this.#used = Date.now();
    this.#queue.reset({ release: false });
  }
}
