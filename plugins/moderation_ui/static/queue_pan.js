// Fitted or full size, moved by drag or arrows. A frame is centered in its stage.
const MAX_ENLARGEMENT = 4; // of a small photo that is fitted
const MAX_SIDE = 2048; // the server's largest side
const CLICK_PX = 5;

export class Pan {
  zoomed = false;
  #stage;
  #frame;
  #changed;
  #size = null;
  #at = { x: 0, y: 0 };
  #drag = null;

  constructor(stage, frame, changed) {
    this.#stage = stage;
    this.#frame = frame;
    this.#changed = changed;
    new ResizeObserver(() => this.#place()).observe(stage);
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#moved(event));
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("pointercancel", () => {
      this.#drag = null;
    });
  }

  // size: of the photo in its own pixels.
  fit(size) {
    this.#size = size;
    this.zoomed = false;
    this.#at = { x: 0, y: 0 };
    this.#place();
  }

  toggle(point = null) {
    const before = this.#scale();
    this.zoomed = !this.zoomed;
    const factor = this.#scale() / before;
    const { x, y } = point ?? { x: 0, y: 0 };
    this.#at = this.zoomed ? { x: -x * (factor - 1), y: -y * (factor - 1) } : { x: 0, y: 0 };
    this.#place();
    this.#changed();
  }

  // Moves the view; false where there is nothing to move.
  move(x, y) {
    if (!this.zoomed) return false;
    this.#at = { x: this.#at.x - x, y: this.#at.y - y };
    this.#place();
    return true;
  }

  #scale() {
    const { width, height } = this.#size;
    const room = this.#stage;
    const fitted = Math.min(room.clientWidth / width, room.clientHeight / height, MAX_ENLARGEMENT);
    if (!this.zoomed) return fitted;
    const full = Math.min(1, MAX_SIDE / Math.max(width, height));
    return Math.max(full, fitted * 2);
  }

  #place() {
    if (this.#size === null) return;
    const scale = this.#scale();
    const width = this.#size.width * scale;
    const height = this.#size.height * scale;
    const slackX = Math.max(0, (width - this.#stage.clientWidth) / 2);
    const slackY = Math.max(0, (height - this.#stage.clientHeight) / 2);
    const x = Math.min(slackX, Math.max(-slackX, this.#at.x));
    const y = Math.min(slackY, Math.max(-slackY, this.#at.y));
    this.#at = { x, y };
    const { style } = this.#frame;
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.transform = `translate(-50%, -50%) translate(${x}px, ${y}px)`;
    this.#stage.classList.toggle("zoomed", this.zoomed);
  }

  #down(event) {
    if (event.button !== 0 || event.target.closest("button, p, div.trouble")) return;
    this.#drag = { x: event.clientX, y: event.clientY, way: 0, at: event.timeStamp };
    if (this.zoomed) this.#stage.setPointerCapture(event.pointerId);
  }

  #moved(event) {
    if (this.#drag === null) return;
    const x = event.clientX - this.#drag.x;
    const y = event.clientY - this.#drag.y;
    this.#drag = { ...this.#drag, x: event.clientX, y: event.clientY };
    this.#drag.way += Math.abs(x) + Math.abs(y);
    this.move(-x, -y);
  }

  // A click zooms to its position; a drag or a long press is not a click.
  #up(event) {
    const drag = this.#drag;
    this.#drag = null;
    const long = drag !== null && event.timeStamp - drag.at > 300;
    if (drag === null || drag.way > CLICK_PX || long || this.#frame.children.length === 0) return;
    if (this.#frame.classList.contains("blurred")) return;
    const room = this.#stage.getBoundingClientRect();
    const x = event.clientX - room.left - room.width / 2;
    const y = event.clientY - room.top - room.height / 2;
    this.toggle({ x, y });
  }
}
