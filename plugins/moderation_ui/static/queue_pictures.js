// Photos in memory, fetched before they are shown: a few at a time, the next first.
import { page } from "./page.js";

const AT_ONCE = 3; // connections that are left for decisions
const ATTEMPTS = 3;
const PAUSE_MS = 1_000;

const pictures = new Map(); // address -> Picture
const waiting = [];
let running = 0;

export const addressOf = (task, side) => `${page.base}/photos/${task.photo}?side=${side}`;

const photoOf = (address) => address.slice(page.base.length).split(/[/?]/)[2];

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// state: "waiting" | "shown" | "missing" | "broken" | "failed"; `ready` settles when it is not waiting.
class Picture {
  state = "waiting";
  image = new Image();

  constructor(address) {
    this.address = address;
    this.ready = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  async load() {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      this.state = await this.#once();
      if (this.state !== "failed") break;
      if (attempt < ATTEMPTS) await pause(PAUSE_MS * attempt);
    }
    this.settle(this);
  }

  async #once() {
    try {
      const answer = await fetch(this.address);
      if (answer.status === 404) return "missing";
      if (answer.status === 422) return "broken";
      if (!answer.ok) return "failed";
      return await this.#decoded(await answer.blob());
    } catch {
      return "failed";
    }
  }

  async #decoded(blob) {
    this.image.src = URL.createObjectURL(blob);
    this.image.draggable = false;
    try {
      await this.image.decode();
      return "shown";
    } catch {
      return "broken";
    }
  }

  drop() {
    if (this.image.src) URL.revokeObjectURL(this.image.src);
  }
}

function pump() {
  while (running < AT_ONCE && waiting.length > 0) {
    running += 1;
    waiting
      .shift()
      .load()
      .finally(() => {
        running -= 1;
        pump();
      });
  }
}

function ask(address, first) {
  let picture = pictures.get(address);
  if (picture === undefined) {
    picture = new Picture(address);
    pictures.set(address, picture);
    if (first) waiting.unshift(picture);
    else waiting.push(picture);
    pump();
  } else if (first && waiting.includes(picture)) {
    waiting.splice(waiting.indexOf(picture), 1);
    waiting.unshift(picture);
  }
  return picture;
}

export const pictureAt = (address) => ask(address, true);
export const picture = (task, side) => pictureAt(addressOf(task, side));

export function again(address) {
  pictures.get(address)?.drop();
  pictures.delete(address);
  return ask(address, true);
}

// Fetches these, and drops all others.
export function preload(tasks, side) {
  const kept = new Set(tasks.map((task) => task.photo));
  for (const [address, held] of pictures) {
    if (kept.has(photoOf(address))) continue;
    if (waiting.includes(held)) waiting.splice(waiting.indexOf(held), 1);
    held.drop();
    pictures.delete(address);
  }
  for (const task of tasks) ask(addressOf(task, side), false);
}
