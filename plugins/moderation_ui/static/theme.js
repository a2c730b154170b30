// Light or dark as Airflow shows itself around us; alone in a window, as the system prefers.
(() => {
  const dark = () => {
    try {
      if (window.parent !== window) {
        const outer = window.parent.document.documentElement;
        if (outer.classList.contains("dark")) return true;
        if (outer.classList.contains("light")) return false;
      }
    } catch {
      // Framed by a page whose document we may not read: the system's preference is what is left.
    }
    return window.matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const apply = () => {
    document.documentElement.dataset.theme = dark() ? "dark" : "light";
  };
  apply();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  if (window.parent !== window) {
    try {
      const watcher = new MutationObserver(apply);
      watcher.observe(window.parent.document.documentElement, { attributeFilter: ["class"] });
    } catch {
      // As above.
    }
  }
})();
