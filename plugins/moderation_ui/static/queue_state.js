// The photos that this page holds: claimed ahead in batches, decided from the front.
import { get, post } from "./requests.js";

export const SINGLE_AHEAD = 10; // held in the single view; the grid asks for more
const MAX_BATCH = 50; // of the server's

// Events: "change" (what is ahead), "taken" (a claim succeeded; detail: how many), "failed" (it
// failed; detail: the error), "lost" (detail: tasks that went to others), "skipped" (only skipped ones are left).
export class Queue extends EventTarget {
  ahead = [];
  filters = {};
  order = null;
  wanted = SINGLE_AHEAD;
  exhausted = false;
  claims = 0; // begun so far
  history = []; // what can be undone, the last at the end: {kind, task, label}
  #outbox;
  #skipped = new Set();
  #claiming = null;
  #round = 0; // answers to claims of before a reset are given back

  constructor(outbox) {
    super();
    this.#outbox = outbox;
  }

  get current() {
    return this.ahead[0];
  }

  get claiming() {
    return this.#claiming !== null;
  }

  // The tasks that the reviewer still holds after a reload.
  async resume() {
    const said = new Set(this.#outbox.items.map((item) => item.task.task_id));
    const { tasks } = await get("/api/queue/held");
    this.#take(tasks.filter((task) => !said.has(task.task_id)));
  }

  // Claims more where at most half of the wanted number is left.
  fill() {
    if (this.#claiming !== null || this.exhausted || this.ahead.length > this.wanted / 2) return;
    const round = this.#round;
    this.claims += 1;
    this.#claiming = this.#claim(round).then((answered) => {
      this.#claiming = null;
      this.#changed();
      // A claimed task may have been decided meanwhile, or be here already.
      if (answered) this.fill();
    });
  }

  // Whether the server answered.
  async #claim(round) {
    const count = Math.min(MAX_BATCH, this.wanted - this.ahead.length);
    const { filters, order } = this;
    try {
      const { tasks } = await post("/api/queue/claim", { count, order, filters });
      if (round !== this.#round) {
        await this.#release(tasks);
        return true;
      }
      this.dispatchEvent(new CustomEvent("taken", { detail: tasks.length }));
      this.exhausted = tasks.length < count;
      this.#take(tasks);
      const seen = tasks.length > 0 && tasks.every((task) => this.#skipped.has(task.task_id));
      if (seen) this.dispatchEvent(new Event("skipped"));
      return true;
    } catch (error) {
      this.dispatchEvent(new CustomEvent("failed", { detail: error }));
      return false;
    }
  }

  #take(tasks) {
    const known = new Set(this.ahead.map((task) => task.task_id));
    const fresh = tasks.filter(({ task_id: id }) => !known.has(id) && !this.#outbox.holds(id));
    this.ahead.push(...fresh);
    this.#changed();
  }

  // entries: [{task, label, note}]; sent in one request unless others wait before them.
  decide(entries, skipped = []) {
    for (const task of skipped) this.#skipped.add(task.task_id);
    const said = entries.map((entry) => ({ kind: "decide", ...entry }));
    this.#leave([...said, ...skipped.map((task) => ({ kind: "skip", task }))]);
  }

  skip(task) {
    this.decide([], [task]);
  }

  #leave(items) {
    const removed = new Set(items.map((item) => item.task.task_id));
    this.ahead = this.ahead.filter((task) => !removed.has(task.task_id));
    this.history.push(...items);
    this.#outbox.add(items);
    if (this.ahead.length === 0) this.exhausted = false; // ask once more before saying "all done"
    this.#changed();
    this.fill();
  }

  // Shows the last decided photo at once and queues the undo. Returns the entry.
  undo() {
    const last = this.history.pop();
    if (last === undefined || last.kind !== "decide") return last;
    if (!this.#outbox.withdraw(last.task.task_id)) {
      this.#outbox.add([{ kind: "undo", task: last.task, label: last.label }]);
    }
    this.ahead.unshift(last.task);
    this.#changed();
    return last;
  }

  // Tasks that the reviewer no longer holds.
  drop(taskIds, { quiet = false } = {}) {
    const removed = new Set(taskIds);
    const lost = this.ahead.filter((task) => removed.has(task.task_id));
    if (lost.length === 0) return;
    this.ahead = this.ahead.filter((task) => !removed.has(task.task_id));
    if (!quiet) this.dispatchEvent(new CustomEvent("lost", { detail: lost }));
    this.#changed();
    this.fill();
  }

  forget(taskId) {
    this.history = this.history.filter((entry) => entry.task.task_id !== taskId);
  }

  // Releases all tasks and starts again, under other filters or after the page slept.
  async reset({ release = true } = {}) {
    const tasks = this.ahead;
    this.#round += 1;
    this.ahead = [];
    this.exhausted = false;
    this.#changed();
    if (release) await this.#release(tasks);
    this.fill();
  }

  async #release(tasks) {
    const ids = tasks.map((task) => task.task_id).filter((id) => !this.#outbox.holds(id));
    if (ids.length === 0) return;
    try {
      await post("/api/queue/release", { task_ids: ids });
    } catch {
      // Their lease expires.
    }
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
