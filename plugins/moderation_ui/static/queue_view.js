// What the page shows: one photo, the grid, or why there is none.
import { words } from "./page.js";
import { byId, element } from "./queue_dom.js";
import { number } from "./queue_words.js";

const ASKED = "view";

export class View {
  grid = new URLSearchParams(window.location.search).get(ASKED) === "grid";

  switch() {
    this.grid = !this.grid;
    const address = new URLSearchParams(window.location.search);
    if (this.grid) address.set(ASKED, "grid");
    else address.delete(ASKED);
    const query = address.size === 0 ? "" : `?${address}`;
    window.history.replaceState(null, "", `${window.location.pathname}${query}`);
  }

  // face: "photos" | "starting" | "empty" | "failed"
  show(face, { filtered = false, done = 0, undo = false, error = null } = {}) {
    const photos = face === "photos";
    byId("queue").dataset.view = photos ? (this.grid ? "grid" : "single") : face;
    byId("single").hidden = !photos || this.grid;
    byId("grid").hidden = !photos || !this.grid;
    byId("nothing").hidden = photos;
    const text = words(this.grid ? "queue.single" : "queue.grid");
    byId("switch-view").replaceChildren(text, " ", element("kbd", {}, "g"));
    if (!photos) this.#nothing(face, { filtered, done, undo, error });
  }

  #nothing(face, { filtered, done, undo, error }) {
    const put = (id, sentence) => {
      byId(id).textContent = sentence;
      byId(id).hidden = sentence === "";
    };
    const title = { starting: "starting", empty: "empty_title", failed: "claim_failed" }[face];
    const empty = words(filtered ? "queue.empty_filtered" : "queue.empty_text");
    const failed = [error?.message, error?.detail].filter(Boolean).join(" ");
    put("nothing-title", words(`queue.${title}`));
    put("nothing-text", { starting: "", empty, failed }[face]);
    const yours = face === "empty" && done > 0;
    put("nothing-yours", yours ? words("queue.empty_yours", { n: number(done) }) : "");
    byId("nothing-retry").hidden = face !== "failed";
    byId("nothing-all").hidden = !filtered || face === "starting";
    byId("nothing-undo").hidden = !undo || face === "starting";
  }
}
