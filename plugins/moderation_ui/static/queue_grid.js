// Many photos at once: those not marked count as normal; one key decides them all.
import { words } from "./page.js";
import { notice } from "./notices.js";
import { byId, element } from "./queue_dom.js";
import { classOf, classOfKey, firstNormal, titleOf, violations } from "./queue_facts.js";
import { ARROWS } from "./queue_keys.js";
import { picture } from "./queue_pictures.js";
import { altOf } from "./queue_words.js";

export const TILE_SIDE = 320;

// Minimum width of a tile, so that a batch about fills a large window.
const tileWidth = (count) => (count <= 12 ? "13rem" : count <= 24 ? "10rem" : "8rem");

export class Grid {
  #queue;
  #preferences;
  #tiles = byId("tiles");
  #batch = []; // [{task, label, picture, tile}], in the order shown
  #revealed = false;
  #decided;

  // `decided(entries, skipped)` writes the decisions on a batch.
  constructor(queue, preferences, decided) {
    this.#queue = queue;
    this.#preferences = preferences;
    this.#decided = decided;
    preferences.addEventListener("change", () => this.#dress());
    byId("grid-hint").textContent = words("queue.grid_hint", { title: firstNormal.title });
    byId("grid-decide").addEventListener("click", () => this.decideAll());
  }

  get size() {
    return this.#preferences.values.batch;
  }

  // Updates the tiles from the queue: removed tasks disappear, an undone photo comes first, and
  // an empty grid takes the next batch. A batch is never refilled: no photo may appear unnoticed
  // just before all are decided.
  refresh() {
    const held = new Set(this.#queue.ahead);
    const kept = this.#batch.filter((entry) => held.has(entry.task));
    if (kept.length === 0 && this.#queue.claiming && held.size < this.size) return;
    const first = this.#queue.ahead.indexOf(kept[0]?.task);
    const fresh = this.#queue.ahead.slice(0, first === -1 ? this.size : first);
    const next = [...fresh.map(this.#entry), ...kept];
    if (fresh.length > 0 || kept.length < this.#batch.length) this.#put(next);
    this.#say();
  }

  #entry = (task) => {
    const past = this.#taken.get(task.task_id);
    const entry = { task, label: past ?? firstNormal.name, picture: picture(task, TILE_SIDE) };
    entry.tile = this.#tile(entry);
    entry.picture.ready.then(() => {
      if (this.#batch.includes(entry)) {
        this.#fill(entry);
        this.#say();
      }
    });
    this.#fill(entry);
    return entry;
  };

  #taken = new Map(); // label of a taken-back photo

  restore(task, label) {
    this.#taken.set(task.task_id, label);
  }

  clear() {
    this.#batch = [];
    this.#tiles.replaceChildren();
  }

  #put(next) {
    const focused = this.#batch.find((entry) => entry.tile === document.activeElement);
    this.#batch = next;
    this.#tiles.replaceChildren(...next.map((entry) => entry.tile));
    this.#rove(next.includes(focused) ? focused : next[0], focused !== undefined);
    this.#dress();
  }

  // One tile is in the tab order; arrows move among them.
  #rove(entry, focus) {
    for (const other of this.#batch) other.tile.tabIndex = other === entry ? 0 : -1;
    if (entry !== undefined && focus) entry.tile.focus();
  }

  #tile(entry) {
    const tile = element("button", { type: "button", class: "tile", tabindex: "-1" });
    tile.addEventListener("click", () => this.#toggle(entry));
    tile.addEventListener("focus", () => this.#rove(entry, false));
    return tile;
  }

  #fill(entry) {
    const { task, picture: shown, tile, label } = entry;
    const unseen = !["shown", "waiting"].includes(shown.state);
    const marked = label !== firstNormal.name;
    const key = unseen ? "queue.tile_unseen" : "queue.tile";
    const caption = element("span", { class: "caption" }, unseen ? "–" : titleOf(label));
    const inside = shown.state === "shown" ? this.#photo(entry) : element("span", { class: "hole" }, unseen ? "×" : "");
    tile.replaceChildren(inside, caption);
    tile.classList.toggle("marked", marked);
    tile.classList.toggle("veiled", this.#blurs(task));
    tile.classList.toggle("unseen-photo", unseen);
    tile.setAttribute("aria-pressed", String(marked));
    tile.setAttribute("aria-label", words(key, { name: task.name, label: titleOf(label) }));
    tile.title = task.name;
    tile.dataset.task = String(task.task_id);
  }

  // A copy: the same photo may be in two tiles, an element only in one.
  #photo(entry) {
    entry.image ??= entry.picture.image.cloneNode();
    entry.image.alt = altOf(entry.task);
    return entry.image;
  }

  #blurs(task) {
    const { blur } = this.#preferences.values;
    return !this.#revealed && (blur === "always" || (blur === "policy" && task.blur));
  }

  #dress() {
    this.#tiles.style.setProperty("--tile", tileWidth(this.size));
    this.#tiles.classList.toggle("grey", this.#preferences.values.grey);
    for (const entry of this.#batch) this.#fill(entry);
  }

  async #toggle(entry) {
    this.#rove(entry, true);
    if (entry.label !== firstNormal.name) this.#mark(entry, firstNormal.name);
    else if (violations.length === 1) this.#mark(entry, violations[0].name);
    else this.#mark(entry, await this.#ask());
  }

  #ask() {
    const dialog = byId("mark");
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
      dialog.returnValue = "";
      dialog.showModal();
    });
  }

  #mark(entry, label) {
    if (classOf(label) === undefined) return;
    entry.label = label;
    this.#fill(entry);
    this.#say();
  }

  #say() {
    const marked = this.#batch.filter((entry) => entry.label !== firstNormal.name).length;
    const rest = this.#batch.length - marked;
    const sentence = words("queue.grid_decide", { marked, rest, title: firstNormal.title });
    byId("grid-decide").replaceChildren(sentence, " ", element("kbd", {}, "Enter"));
  }

  reveal() {
    this.#revealed = !this.#revealed;
    this.#dress();
  }

  // A photo that was not shown is not decided: it waits until it is shown, or is skipped.
  decideAll() {
    if (this.#batch.length === 0) return;
    if (this.#batch.some((entry) => entry.picture.state === "waiting")) {
      notice(words("queue.grid_wait"));
      return;
    }
    const seen = this.#batch.filter((entry) => entry.picture.state === "shown");
    const unseen = this.#batch.filter((entry) => entry.picture.state !== "shown");
    const entries = seen.map(({ task, label }) => ({ task, label, note: "" }));
    this.clear();
    this.#revealed = false;
    for (const { task } of entries) this.#taken.delete(task.task_id);
    this.#decided(
      entries,
      unseen.map((entry) => entry.task),
    );
    this.#rove(this.#batch[0], true);
  }

  key(key) {
    const entry = this.#batch.find((e) => e.tile === document.activeElement) ?? this.#batch[0];
    if (key === "Enter") return this.#enter();
    if (entry === undefined) return false;
    if (key in ARROWS) return this.#step(entry, ARROWS[key]);
    if (key === "s") {
      this.#queue.skip(entry.task);
      return true;
    }
    const chosen = classOfKey(key);
    if (chosen === undefined) return false;
    this.#mark(entry, chosen.name);
    this.#rove(entry, true);
    return true;
  }

  // Enter on another button than a tile presses that button.
  #enter() {
    const focused = document.activeElement;
    if (focused.matches("button, a") && !focused.matches(".tile")) return false;
    this.decideAll();
    return true;
  }

  #step(entry, [x, y]) {
    const columns = getComputedStyle(this.#tiles).gridTemplateColumns.split(" ").length;
    const index = this.#batch.indexOf(entry);
    const focused = document.activeElement === entry.tile;
    const target = this.#batch[focused ? index + x + y * columns : index];
    if (target !== undefined) this.#rove(target, true);
    return true;
  }
}
