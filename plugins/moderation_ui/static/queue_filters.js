// The filter; kept in the address, so that it can be linked.
import { words } from "./page.js";
import { byId } from "./queue_dom.js";
import { facts } from "./queue_facts.js";
import { reasonInWords } from "./queue_words.js";

const NAMES = ["category", "reason", "since", "until", "product"];
const DAY = /^\d{4}-\d{2}-\d{2}$/;

// A day is in the reviewer's time zone; "to" includes it. A time with its zone stays as it is.
function moment(text, { end = false } = {}) {
  if (!text) return null;
  const date = new Date(DAY.test(text) ? `${text}T00:00` : text);
  if (Number.isNaN(date.getTime())) return null;
  if (end && DAY.test(text)) date.setDate(date.getDate() + 1);
  return date.toISOString();
}

function dayOf(text) {
  if (!text || DAY.test(text)) return text;
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return "";
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 10);
}

export class Filters extends EventTarget {
  #form = byId("filter-form");
  #preferences;

  constructor(preferences) {
    super();
    this.#preferences = preferences;
    for (const reason of facts.reasons) this.#offer("reason", reason);
    byId("open-filters").addEventListener("click", () => this.#open());
    byId("clear-filters").addEventListener("click", () => this.clear());
    byId("nothing-all").addEventListener("click", () => this.clear());
    this.#form.querySelector(".leave").addEventListener("click", () => byId("filters").close());
    this.#form.addEventListener("submit", () => this.#apply());
    this.#count();
  }

  get #address() {
    return new URLSearchParams(window.location.search);
  }

  get on() {
    return NAMES.filter((name) => this.#address.get(name)).length;
  }

  get order() {
    const asked = this.#address.get("order");
    return ["priority", "oldest"].includes(asked) ? asked : this.#preferences.values.order;
  }

  // As the server expects them.
  get wanted() {
    const address = this.#address;
    const reasons = address.getAll("reason").filter(Boolean);
    return {
      reasons: reasons.length > 0 ? reasons : null,
      category: address.get("category") || null,
      since: moment(address.get("since")),
      until: moment(address.get("until"), { end: true }),
      product_id: address.get("product") || null,
    };
  }

  clear() {
    byId("filters").close();
    this.#go(new URLSearchParams());
  }

  #offer(name, value) {
    const select = this.#form.elements[name];
    if ([...select.options].some((option) => option.value === value)) return;
    const text = name === "reason" ? reasonInWords(value) : value;
    select.add(new Option(text, value));
  }

  #open() {
    const address = this.#address;
    const fields = this.#form.elements;
    for (const name of NAMES) {
      const value = address.get(name) ?? "";
      if (["category", "reason"].includes(name) && value) this.#offer(name, value);
      fields[name].value = ["since", "until"].includes(name) ? dayOf(value) : value;
    }
    fields.order.value = this.order;
    byId("filters").showModal();
  }

  #apply() {
    const address = new URLSearchParams();
    const before = this.#address;
    for (const name of NAMES) {
      const value = this.#form.elements[name].value.trim();
      // A linked time stays exact unless its day was changed.
      const same = ["since", "until"].includes(name) && value === dayOf(before.get(name) ?? "");
      const kept = same ? before.get(name) : value;
      if (kept) address.set(name, kept);
    }
    const order = this.#form.elements.order.value;
    if (order !== this.#preferences.values.order) this.#preferences.save({ order });
    this.#go(address);
  }

  #go(address) {
    const view = this.#address.get("view");
    if (view) address.set("view", view);
    const query = address.toString();
    const path = window.location.pathname;
    window.history.replaceState(null, "", query === "" ? path : `${path}?${query}`);
    this.#count();
    this.dispatchEvent(new Event("change"));
  }

  #count() {
    const sentence = this.on > 0 ? words("queue.filters_on", { n: this.on }) : words("queue.filters");
    byId("open-filters").textContent = sentence;
  }
}
