// Short messages at the lower edge; an error stays until it is closed, others disappear.
import { words } from "./page.js";

const SHOWN_MS = 5000;

export function notice(text, { bad = false, action = null } = {}) {
  const box = document.createElement("div");
  box.className = bad ? "notice bad" : "notice";
  const line = document.createElement("span");
  line.textContent = text;
  box.append(line);
  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = action.text;
    button.addEventListener("click", () => {
      box.remove();
      action.run();
    });
    box.append(button);
  }
  const close = document.createElement("button");
  close.type = "button";
  close.className = "quiet";
  close.textContent = "×";
  close.setAttribute("aria-label", words("common.close"));
  close.addEventListener("click", () => box.remove());
  box.append(close);
  document.getElementById("notices").append(box);
  if (!bad) setTimeout(() => box.remove(), SHOWN_MS);
  return box;
}

export const refused = (error) =>
  notice(error.detail ? `${error.message} ${error.detail}` : error.message, { bad: true });
