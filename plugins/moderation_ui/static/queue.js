// The review queue: wires state, photo, panels and keys together.
import { notice } from "./notices.js";
import { words } from "./page.js";
import { Counts } from "./queue_counts.js";
import { byId } from "./queue_dom.js";
import { classOfKey, titleOf } from "./queue_facts.js";
import { Filters } from "./queue_filters.js";
import { Grid, TILE_SIDE } from "./queue_grid.js";
import { ARROWS, listen } from "./queue_keys.js";
import { Lease } from "./queue_lease.js";
import { Outbox } from "./queue_outbox.js";
import { preload } from "./queue_pictures.js";
import { Preferences } from "./queue_preferences.js";
import { showSaving, showRejected } from "./queue_saving.js";
import { showSide, speak } from "./queue_side.js";
import { SIDE, Stage } from "./queue_stage.js";
import { Queue, SINGLE_AHEAD } from "./queue_state.js";
import { View } from "./queue_view.js";
import { Why } from "./queue_why.js";

const PRELOADED = 6; // the photo shown and the next five
const PAN_PX = 80;
const RETRY_MS = 5_000;
const MAX_AHEAD = 50;

const outbox = new Outbox();
const queue = new Queue(outbox);
const preferences = new Preferences();
const filters = new Filters(preferences);
const view = new View();
const stage = new Stage(preferences);
const why = new Why(stage);
const counts = new Counts(queue, outbox);
const grid = new Grid(queue, preferences, decide);
const lease = new Lease(queue, outbox);
let failure = null; // of the last claim
let shown = null; // the id of the displayed task

function faceOf() {
  if (queue.ahead.length > 0) return "photos";
  if (failure !== null) return "failed";
  return queue.claiming || !queue.exhausted ? "starting" : "empty";
}

function refresh() {
  const undo = queue.history.length > 0;
  view.show(faceOf(), { filtered: filters.on > 0, done: counts.done, undo, error: failure });
  if (view.grid) {
    preload(queue.ahead, TILE_SIDE);
    grid.refresh();
  } else {
    showCurrent();
  }
}

function showCurrent() {
  const task = queue.current;
  if (task === undefined) {
    stage.clear();
    shown = null;
    return;
  }
  preload(queue.ahead.slice(0, PRELOADED), SIDE);
  stage.show(task);
  why.show(task);
  if (task.task_id === shown) return;
  shown = task.task_id;
  window.scrollTo(0, 0); // on a phone the photo may be above what is seen
  showSide(task);
  speak(task);
}

// One message at a time: a repeated key does not add another.
let last = null;
function showMessage(text) {
  last?.remove();
  last = notice(text);
}

function decide(entries, skipped = []) {
  for (const { task } of entries) why.forget(task.task_id);
  queue.decide(entries, skipped);
  counts.decided(entries.length);
  if (view.grid) byId("spoken").textContent = words("queue.grid_done", { n: entries.length });
}

function decideShown(label) {
  const task = queue.current;
  if (task === undefined) return undefined;
  if (!stage.seen) return showMessage(words("queue.not_seen"));
  const note = byId("note").value.trim();
  byId("note").value = "";
  return decide([{ task, label, note }]);
}

function skipShown() {
  if (queue.current !== undefined) queue.skip(queue.current);
}

function undo() {
  const entry = queue.history.at(-1);
  if (entry?.kind === "decide") grid.restore(entry.task, entry.label);
  queue.undo();
  if (entry === undefined) return showMessage(words("queue.nothing_to_undo"));
  if (entry.kind !== "decide") return showMessage(words("queue.skip_stays"));
  counts.decided(-1);
  if (entry.note && byId("note").value === "") byId("note").value = entry.note;
  refresh();
  return showMessage(words("queue.undone", { label: titleOf(entry.label), name: entry.task.name }));
}

function want() {
  queue.wanted = view.grid ? Math.min(MAX_AHEAD, 2 * preferences.values.batch) : SINGLE_AHEAD;
}

function switchView() {
  view.switch();
  grid.clear();
  want();
  shown = null;
  queue.fill();
  refresh();
}

const COMMANDS = {
  u: undo,
  g: switchView,
  b: () => (view.grid ? grid.reveal() : stage.reveal()),
  "?": () => byId("keys").showModal(),
};
const SINGLE_COMMANDS = {
  s: skipShown,
  z: () => stage.zoom(),
  w: () => why.toggle(),
  m: () => stage.toggleMap(),
  c: () => byId("note").focus(),
};

function key(pressed) {
  if (Object.hasOwn(COMMANDS, pressed)) {
    COMMANDS[pressed]();
    return true;
  }
  if (faceOf() !== "photos") return false;
  if (view.grid) return grid.key(pressed);
  if (pressed in ARROWS) return stage.pan(ARROWS[pressed][0] * PAN_PX, ARROWS[pressed][1] * PAN_PX);
  const chosen = classOfKey(pressed);
  if (chosen !== undefined) decideShown(chosen.name);
  else if (Object.hasOwn(SINGLE_COMMANDS, pressed)) SINGLE_COMMANDS[pressed]();
  else return false;
  return true;
}

function wireButtons() {
  for (const one of document.querySelectorAll("[data-label]")) {
    one.addEventListener("click", () => decideShown(one.dataset.label));
  }
  for (const one of document.querySelectorAll("button.undo")) one.addEventListener("click", undo);
  byId("skip").addEventListener("click", skipShown);
  byId("switch-view").addEventListener("click", switchView);
  byId("open-keys").addEventListener("click", () => byId("keys").showModal());
  byId("nothing-retry").addEventListener("click", claimAgain);
}

function claimAgain() {
  failure = null;
  queue.fill();
  refresh();
}

function ask() {
  queue.filters = filters.wanted;
  queue.order = filters.order;
  failure = null;
}

function wireEvents() {
  queue.addEventListener("change", refresh);
  queue.addEventListener("taken", () => {
    failure = null;
  });
  queue.addEventListener("failed", ({ detail }) => {
    failure = detail;
    setTimeout(() => failure !== null && queue.fill(), RETRY_MS);
  });
  queue.addEventListener("lost", ({ detail }) => showMessage(words("queue.lost_some", { n: detail.length })));
  queue.addEventListener("skipped", () => showMessage(words("queue.only_skipped")));
  counts.addEventListener("change", () => {
    if (counts.known?.open > 0 && queue.exhausted) {
      queue.exhausted = false;
      queue.fill();
    }
  });
  filters.addEventListener("change", () => {
    ask();
    queue.reset();
    counts.refresh();
  });
  preferences.addEventListener("change", () => {
    want();
    if (view.grid) queue.fill();
  });
  outbox.addEventListener("taken", ({ detail: { item, answer } }) => {
    // Undone, but another reviewer's decision is active: this one may not decide again.
    if (item.kind === "undo" && answer.task === null) queue.drop([item.task.task_id]);
    else if (item.kind === "undo") {
      why.forget(item.task.task_id);
      refresh();
    }
  });
  outbox.addEventListener("refused", ({ detail }) => handleRejected(detail));
}

function handleRejected(detail) {
  const { item } = detail;
  if (item.kind === "decide") {
    counts.decided(-1);
    queue.forget(item.task.task_id);
  }
  if (item.kind === "undo") queue.drop([item.task.task_id], { quiet: true });
  if (item.kind !== "skip") showRejected(detail); // no need to skip another reviewer's photo
}

// A second tab of the same reviewer must not show the photos that the first one holds.
const firstTab = () =>
  new Promise((resolve) => {
    if (!navigator.locks) return resolve(true);
    return navigator.locks.request("moderation-queue", { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock === null ? null : new Promise(() => {});
    });
  });

async function start() {
  wireButtons();
  wireEvents();
  listen(key);
  showSaving(outbox);
  const resumed = firstTab().then((first) => (first ? queue.resume() : null));
  await Promise.allSettled([preferences.load(), resumed]);
  ask();
  want();
  lease.renew();
  queue.fill();
  refresh();
  counts.refresh();
}

start();
