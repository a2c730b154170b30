// Why a photo is here: scores, checks, similar photos, history. Fetched on demand.
import { page, words } from "./page.js";
import { button, byId, element } from "./queue_dom.js";
import { read } from "./queue_evidence.js";
import { titleOf } from "./queue_facts.js";
import { nearPhotos } from "./queue_near.js";
import { reasonInWords, share, titleOfScreen, when } from "./queue_words.js";
import { get } from "./requests.js";

const KEPT = 20;
const SHORT_HASH = 12;
const figure = new Intl.NumberFormat(page.language, { maximumFractionDigits: 3 });

const heading = (key) => element("h3", {}, words(`queue.${key}`));
const soft = (text) => element("p", { class: "soft small long" }, text);

function bar(title, score, violation, threshold) {
  const row = element("div", { class: "score" });
  const line = element("div", { class: violation ? "bar-of bad" : "bar-of good" }, element("span"));
  line.firstChild.style.width = `${Math.min(100, Math.max(0, score * 100))}%`;
  if (threshold !== null) {
    const mark = element("i", { title: words("queue.threshold") });
    mark.style.left = `${threshold * 100}%`;
    line.append(mark);
  }
  line.setAttribute("aria-hidden", "true");
  row.append(element("span", { class: "long" }, title), element("b", {}, share(score)), line);
  return row;
}

// The threshold is for the sum of all classes that are no violation; one such class alone is that sum.
function scores(why) {
  if (why.scores.length === 0) {
    const withheld = why.reasons.includes("withheld");
    const note = words(withheld ? "queue.withheld_note" : "queue.no_scores");
    return element("div", {}, heading("scores"), soft(note));
  }
  const passing = why.scores.filter((s) => !s.violation);
  const only = passing.length === 1;
  const name = (score) => score.title?.[page.language] ?? titleOf(score.class);
  const none = only ? name(passing[0]) : words("queue.no_violation");
  const threshold = why.pass_confidence;
  const bars = [...why.scores]
    .sort((a, b) => b.score - a.score)
    .map((s) => bar(name(s), s.score, s.violation, only && !s.violation ? threshold : null));
  if (!only) {
    const total = passing.reduce((sum, s) => sum + s.score, 0);
    bars.unshift(bar(none, total, false, threshold));
  }
  const note = words("queue.passes_from", { share: share(threshold), title: none });
  return element("div", {}, heading("scores"), bars, soft(note));
}

// Which of the numbered pictures counts, of a photo that is shown as several.
function viewsLine(screen) {
  const reason = screen.fired ? reasonInWords(screen.reason ?? "") : "";
  const text = [reason, ...describeViews(screen.evidence)].filter(Boolean).join(" · ");
  const line = element("span", { class: "long" }, ` ${text}`);
  return element("li", { class: screen.fired ? "fired" : "unsure" }, element("strong", {}, titleOfScreen(screen.name)), line);
}

function describeViews({ views, worst, frames }) {
  if (!Array.isArray(views) || views.length < 2) return [];
  const view = views[worst];
  if (view === undefined) return [words("queue.views_judged", { n: views.length })];
  const parts = views.some((each) => each.part > 0);
  return [
    words("queue.views_judged", { n: views.length }),
    words("queue.views_worst", { n: worst + 1 }),
    frames > 1 ? words("queue.views_frame", { frame: view.frame + 1, frames }) : "",
    view.background === "black" ? words("queue.views_black") : "",
    parts ? words("queue.views_part", { part: view.part + 1 }) : "",
  ];
}

// How the photo differs from the blocked one that it is a copy of.
function changesOf({ photos, blocked }) {
  const lists = [photos, blocked].filter(Array.isArray);
  const [nearest] = lists.flat();
  const { mirrored, turned, trimmed } = nearest ?? {};
  const names = [mirrored === true && "mirrored", turned, trimmed === true && "trimmed"];
  return names.map((name) => `queue.copy_${name}`).filter((key) => key in page.words).map((key) => words(key));
}

function screenLine(screen) {
  if (screen.name === "views") return viewsLine(screen);
  const told =
    screen.fired === null
      ? words("queue.screen_unknown", { reason: reasonInWords(screen.reason ?? "") })
      : reasonInWords(screen.reason ?? "");
  const value = Number.isFinite(screen.value)
    ? words("queue.value", { value: figure.format(screen.value) })
    : "";
  const { texts } = read(screen.evidence);
  const changes = changesOf(screen.evidence ?? {});
  const { view } = screen.evidence ?? {};
  const where = Number.isInteger(view) ? words("queue.views_in", { n: view + 1 }) : "";
  return element(
    "li",
    { class: screen.fired ? "fired" : "unsure" },
    element("strong", {}, titleOfScreen(screen.name)),
    element("span", { class: "long" }, ` ${[told, ...changes, where, value].filter(Boolean).join(" · ")}`),
    texts.map((text) => element("q", { class: "long" }, text)),
  );
}

function screens(why) {
  const loud = why.screens.filter((s) => s.fired !== false || s.name === "views");
  const quiet = why.screens.filter((s) => !loud.includes(s));
  const order = [...loud].sort((a, b) => Number(b.fired ?? 0) - Number(a.fired ?? 0));
  const parts = [element("ul", { class: "screens" }, order.map(screenLine))];
  if (quiet.length > 0) {
    const names = quiet.map((s) => titleOfScreen(s.name)).join(", ");
    parts.push(soft(words("queue.screens_quiet", { names })));
  }
  if (why.screens.length === 0) parts.push(soft(words("queue.screens_none")));
  return element("div", {}, heading("screens"), parts);
}

function event(past) {
  const key = `queue.history_${past.action}`;
  const label = past.label === null ? "" : titleOf(past.label);
  const said = key in page.words ? words(key, { who: past.actor, label }) : `${past.actor}: ${past.action}`;
  const note = past.note ? element("q", { class: "long" }, past.note) : null;
  return element("li", {}, element("span", { class: "soft" }, `${when(past.at)} `), said, note);
}

function history(why) {
  const list = element("ul", { class: "history" }, why.history.map(event));
  const none = soft(words("queue.history_none"));
  return element("div", {}, heading("history"), why.history.length > 0 ? list : none);
}

export class Why {
  #stage;
  #panel = byId("why");
  #body = byId("why-body");
  #known = new Map();
  #task = null;

  constructor(stage) {
    this.#stage = stage;
    byId("open-why").addEventListener("click", () => this.toggle());
  }

  get open() {
    return !this.#panel.hidden;
  }

  toggle() {
    this.#panel.hidden = this.open;
    byId("open-why").setAttribute("aria-expanded", String(this.open));
    this.#stage.mark([]);
    if (!this.open) return;
    this.#fetch().then(() => this.#panel.scrollIntoView({ block: "start" }));
  }

  show(task) {
    if (task.task_id === this.#task?.task_id) return;
    this.#task = task;
    if (this.open) this.#fetch();
  }

  async #fetch() {
    const task = this.#task;
    if (task === null) return;
    if (!this.#known.has(task.task_id)) this.#wait();
    try {
      const why = await this.#answer(task.task_id);
      if (this.#task === task && this.open) this.#put(why);
    } catch {
      if (this.#task === task) this.#failed();
    }
  }

  // As high as before, so that the panel stays where the reviewer scrolled it.
  #wait() {
    this.#body.style.minHeight = `${this.#body.offsetHeight}px`;
    this.#body.replaceChildren(soft(words("common.loading")));
  }

  async #answer(taskId) {
    const known = this.#known.get(taskId);
    if (known !== undefined) return known;
    const why = await get(`/api/queue/tasks/${taskId}/why`);
    if (this.#known.size >= KEPT) this.#known.delete(this.#known.keys().next().value);
    this.#known.set(taskId, why);
    return why;
  }

  // The task has changed, and so has its history.
  forget(taskId) {
    this.#known.delete(taskId);
    if (this.#task?.task_id === taskId) this.#task = null;
  }

  #put(why) {
    this.#body.style.minHeight = "";
    const model = soft(`${words("queue.model")}: ${why.model_hash.slice(0, SHORT_HASH)}`);
    const near = element("div", {}, heading("near"), nearPhotos(why.near, () => this.#known.clear()));
    this.#body.replaceChildren(scores(why), this.#maps(why), screens(why), near, history(why), model);
    const loud = why.screens.filter((screen) => screen.fired);
    this.#stage.mark(loud.flatMap((screen) => read(screen.evidence).boxes));
  }

  #maps(why) {
    if (why.labels.length === 0) return "";
    const one = (label) => button(titleOf(label), () => this.#stage.toggleMap(label));
    return element("div", {}, heading("activation"), element("div", { class: "maps" }, why.labels.map(one)));
  }

  #failed() {
    const retry = button(words("common.retry"), () => this.#fetch());
    this.#body.replaceChildren(soft(words("queue.why_failed")), retry);
  }
}
