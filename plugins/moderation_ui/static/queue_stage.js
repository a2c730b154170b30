// The one large photo: fitted or at full size, blurred or gray, with boxes and activation map.
import { page, words } from "./page.js";
import { byId, drawing } from "./queue_dom.js";
import { titleOf, violations } from "./queue_facts.js";
import { Pan } from "./queue_pan.js";
import { addressOf, again, picture, pictureAt } from "./queue_pictures.js";
import { altOf } from "./queue_words.js";

export const SIDE = 1280;
const SAME_ASPECT = 0.1; // ln of what rounding may change in small pictures
const LARGE_SIDE = 2048;
const TROUBLE = { missing: "photo_missing", broken: "photo_broken", failed: "photo_failed" };

export class Stage {
  task = null;
  #picture = null;
  #frame = byId("frame");
  #pan = new Pan(byId("stage"), byId("frame"), () => this.#zoomed());
  #preferences;
  #revealed = false;
  #mapLabel = null;
  #boxes = [];

  constructor(preferences) {
    this.#preferences = preferences;
    preferences.addEventListener("change", () => this.#dress());
    byId("stage-retry").addEventListener("click", () => {
      again(addressOf(this.task, SIDE));
      this.#put();
    });
    byId("zoom").addEventListener("click", () => this.zoom());
    byId("unblur").addEventListener("click", () => this.reveal());
    byId("activation").addEventListener("click", () => this.toggleMap());
    this.#holdReveals(byId("stage"));
  }

  // Whether a photo is shown.
  get seen() {
    return this.#picture?.state === "shown";
  }

  show(task) {
    if (task.task_id === this.task?.task_id) return;
    this.task = task;
    this.#revealed = false;
    this.#boxes = [];
    this.#mapLabel = null;
    this.#put();
  }

  clear() {
    this.task = null;
    this.#picture = null;
    this.#frame.replaceChildren();
  }

  #put() {
    const wanted = picture(this.task, SIDE);
    this.#picture = wanted;
    this.#draw();
    if (wanted.state !== "waiting") return;
    wanted.ready.then(() => {
      if (this.#picture === wanted) this.#draw();
    });
  }

  #draw() {
    const { state, image } = this.#picture;
    byId("stage-trouble").hidden = !(state in TROUBLE);
    if (state in TROUBLE) byId("stage-trouble-text").textContent = words(`queue.${TROUBLE[state]}`);
    byId("stage-retry").hidden = state !== "failed";
    this.#frame.replaceChildren();
    if (state === "shown") {
      image.alt = altOf(this.task);
      this.#frame.append(image, this.#drawing());
      this.#pan.fit(this.#size());
    }
    byId("zoom").setAttribute("aria-pressed", "false");
    byId("activation").setAttribute("aria-pressed", "false");
    this.#dress();
  }

  // Pixels of the upright photo; the database may have those of the file. A photo of several views is
  // shown as another picture, which has its own.
  #size() {
    const { naturalWidth, naturalHeight } = this.#picture.image;
    const { width, height } = this.task;
    const shown = { width: naturalWidth, height: naturalHeight };
    if (!width || !height) return shown;
    const turned = width > height !== naturalWidth > naturalHeight && width !== height;
    const own = turned ? { width: height, height: width } : { width, height };
    const stretched = (own.width * naturalHeight) / (own.height * naturalWidth);
    return Math.abs(Math.log(stretched)) < SAME_ASPECT ? own : shown;
  }

  zoom() {
    if (this.seen) this.#pan.toggle();
  }

  pan(x, y) {
    return this.seen && this.#pan.move(x, y);
  }

  #zoomed() {
    const { zoomed } = this.#pan;
    byId("zoom").setAttribute("aria-pressed", String(zoomed));
    const { width, height } = this.#size();
    if (zoomed && Math.max(width, height) > SIDE) this.#sharpen();
  }

  // Full size has pixels that the fitted picture lacks.
  async #sharpen() {
    const { task } = this;
    const large = await picture(task, LARGE_SIDE).ready;
    if (this.task !== task || large.state !== "shown") return;
    large.image.alt = altOf(task);
    this.#frame.querySelector("img")?.replaceWith(large.image);
  }

  get #blurs() {
    const { blur } = this.#preferences.values;
    return blur === "always" || (blur === "policy" && this.task?.blur === true);
  }

  #dress() {
    const blurred = this.#blurs && !this.#revealed;
    this.#frame.classList.toggle("blurred", blurred);
    this.#frame.classList.toggle("grey", this.#preferences.values.grey);
    byId("unblur").hidden = !this.#blurs;
    byId("unblur").setAttribute("aria-pressed", String(blurred));
    const waits = this.#picture?.state === "waiting";
    let note = waits ? words("queue.photo_loading") : "";
    if (this.seen && blurred) note = words("queue.blurred");
    if (this.seen && this.#mapLabel !== null && !blurred) note = this.#mapNote();
    byId("stage-note").textContent = note;
    byId("stage-note").hidden = note === "";
  }

  #mapNote() {
    const laid = this.#frame.querySelector(".map") !== null;
    if (!laid) return words("queue.activation_loading");
    return words("queue.activation_note", { title: titleOf(this.#mapLabel) });
  }

  reveal() {
    this.#revealed = !this.#revealed;
    this.#dress();
  }

  #holdReveals(stage) {
    const held = (on) => this.#frame.classList.toggle("held", on);
    stage.addEventListener("pointerdown", (event) => {
      if (!event.target.closest("button")) held(true);
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
      stage.addEventListener(end, () => held(false));
    }
    stage.addEventListener("contextmenu", (event) => {
      if (this.#frame.classList.contains("blurred")) event.preventDefault();
    });
  }

  toggleMap(label = null) {
    if (this.seen && this.task.violation_score === null) {
      this.#noMap("activation_withheld");
      return undefined;
    }
    const wanted = label ?? this.task?.category ?? violations[0].name;
    return this.#map(label === null && this.#mapLabel !== null ? null : wanted);
  }

  async #map(label) {
    const { task } = this;
    if (task === null || !this.seen) return;
    this.#mapLabel = label;
    byId("activation").setAttribute("aria-pressed", String(label !== null));
    this.#frame.querySelector(".map")?.remove();
    this.#dress();
    if (label === null) return;
    const query = new URLSearchParams({ model: task.model_hash, label, side: String(SIDE) });
    const made = await pictureAt(`${page.base}/photos/${task.photo}/activation?${query}`).ready;
    if (this.task !== task || this.#mapLabel !== label) return;
    if (made.state === "shown") this.#lay(made.image, label);
    else this.#noMap("activation_failed");
  }

  #lay(image, label) {
    image.className = "map";
    image.alt = words("queue.activation_note", { title: titleOf(label) });
    this.#frame.querySelector("svg").before(image);
    this.#dress();
  }

  #noMap(sentence) {
    this.#mapLabel = null;
    byId("activation").setAttribute("aria-pressed", "false");
    byId("stage-note").textContent = words(`queue.${sentence}`);
    byId("stage-note").hidden = false;
  }

  // boxes: [{points: [[x, y], ...] in the photo's own pixels, text}]
  mark(boxes) {
    this.#boxes = boxes;
    this.#frame.querySelector("svg")?.replaceWith(this.#drawing());
  }

  #drawing() {
    const { width, height } = this.#size();
    const shapes = this.#boxes.map(({ points, text }) => {
      const title = drawing("title");
      title.textContent = text;
      return drawing("polygon", { points: points.map((p) => p.join(",")).join(" ") }, title);
    });
    const attributes = { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" };
    return drawing("svg", { ...attributes, "aria-hidden": "true" }, ...shapes);
  }
}
