// Decided photos like the one under review. A wrong label is sent to another review from here.
import { askIn } from "./dialog.js";
import { refused } from "./notices.js";
import { page, words } from "./page.js";
import { button, byId, element } from "./queue_dom.js";
import { classOf, titleOf } from "./queue_facts.js";
import { when } from "./queue_words.js";
import { post } from "./requests.js";

const soft = (text, attributes = {}) => element("p", { class: "soft small long", ...attributes }, text);

byId("appeal").querySelector(".leave").addEventListener("click", () => byId("appeal").close());

// The reason that the reviewer gave; null where they canceled.
async function askReason() {
  byId("appeal-reason").value = "";
  return (await askIn(byId("appeal"))) ? byId("appeal-reason").value.trim() : null;
}

async function appeal(past, made, changed) {
  const reason = await askReason();
  if (reason === null) return;
  made.disabled = true;
  try {
    await post("/api/appeals", { content_sha256: past.content_sha256, reason });
  } catch (error) {
    made.disabled = false;
    refused(error);
    return;
  }
  changed();
  const done = soft(words("queue.appeal_waiting"), { tabindex: "-1" });
  made.replaceWith(done);
  done.focus();
}

// Nothing where scores are hidden: the server offers no appeal there.
function appealPart(past, about, changed) {
  if (past.appeal === null) return null;
  if (past.appeal !== "possible") return soft(words(`queue.appeal_${past.appeal}`));
  const name = `${words("queue.appeal")} ${about}`;
  const made = button(words("queue.appeal"), () => appeal(past, made, changed), { "aria-label": name });
  return made;
}

function nearPhoto(past, changed) {
  const label = titleOf(past.label);
  const about = words("queue.near_alt", { label, when: when(past.decided_at) });
  const address = `${page.base}/photos/${past.content_sha256}?side=320`;
  const image = element("img", { src: address, alt: about, loading: "lazy" });
  const bad = classOf(past.label)?.violation ?? true;
  if (classOf(past.label)?.blur ?? true) image.dataset.blur = "true";
  const caption = element("figcaption", {}, label);
  return element("figure", { class: bad ? "bad" : "good" }, image, caption, appealPart(past, about, changed));
}

// `changed` is called after an appeal: what was known of other tasks may be out of date.
export function nearPhotos(photos, changed) {
  if (photos.length === 0) return soft(words("queue.near_none"));
  return element("div", { class: "near" }, photos.map((past) => nearPhoto(past, changed)));
}
