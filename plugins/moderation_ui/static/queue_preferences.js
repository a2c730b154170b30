// View settings of the reviewer, stored by the server.
import { words } from "./page.js";
import { notice, refused } from "./notices.js";
import { byId } from "./queue_dom.js";
import { facts } from "./queue_facts.js";
import { get, put } from "./requests.js";

// Until the server has answered, photos are blurred, to be safe.
const CAREFUL = { blur: "always", grey: false, order: facts.order, batch: 24 };
const BATCH = { least: 6, most: 48 };

export class Preferences extends EventTarget {
  values = CAREFUL;
  #kept = CAREFUL; // by the server
  #saving = Promise.resolve();
  #form = byId("display-form");

  constructor() {
    super();
    byId("open-display").addEventListener("click", () => byId("display").showModal());
    this.#form.addEventListener("change", () => this.#said());
  }

  async load() {
    try {
      const known = await get("/api/preferences");
      const given = Object.entries(known).filter(([, value]) => value !== null);
      this.#kept = { ...CAREFUL, blur: "policy", ...Object.fromEntries(given) };
      this.#set(this.#kept);
    } catch {
      notice(words("queue.preferences_unknown"), { bad: true });
      this.#set(CAREFUL);
    }
  }

  // One after the other, so that the last one wins.
  save(changes) {
    this.#set({ ...this.values, ...changes });
    this.#saving = this.#saving.then(() => this.#put(changes));
    return this.#saving;
  }

  async #put(changes) {
    try {
      await put("/api/preferences", { ...this.#kept, ...changes });
      this.#kept = { ...this.#kept, ...changes };
    } catch (error) {
      error.message = `${words("queue.preferences_unsaved")} ${error.message}`;
      refused(error);
      this.#set(this.#kept);
    }
  }

  #said() {
    const fields = this.#form.elements;
    this.save({
      blur: fields.blur.value,
      grey: fields.grey.checked,
      batch: Number(fields.batch.value),
    });
  }

  #set(values) {
    const batch = Math.min(BATCH.most, Math.max(BATCH.least, values.batch));
    this.values = { ...values, batch };
    this.#show();
    this.dispatchEvent(new Event("change"));
  }

  #show() {
    const { blur, grey, batch } = this.#form.elements;
    blur.value = this.values.blur;
    grey.checked = this.values.grey;
    const size = String(this.values.batch);
    if (![...batch.options].some((option) => option.value === size)) batch.add(new Option(size, size));
    batch.value = size;
  }
}
