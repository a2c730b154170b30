// Keyboard shortcuts; off while the user types and while a dialog is open.
const FIELDS = "input, textarea, select, [contenteditable]";

// `run(key, event)` returns whether it used the key. A key that is held down counts once.
export function listen(run) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]") !== null) return;
    if (event.target.closest?.(FIELDS)) {
      if (event.key === "Escape" || (event.key === "Enter" && event.target.id === "note")) {
        event.target.blur();
        event.preventDefault();
      }
      return;
    }
    const moves = event.key.startsWith("Arrow");
    if (event.repeat && !moves) return;
    // Shift and a letter are the letter; what needs shift, such as "?", is its own key.
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (run(key, event)) event.preventDefault();
  });
}

export const ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
