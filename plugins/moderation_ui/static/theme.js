// Light or dark as the Airflow page around this one; in a window of its own, as the system prefers.
(() => {
  const dark = () => {
    try {
      if (window.parent !== window) {
        const outer = window.parent.document.documentElement;
        if (outer.classList.contains("dark")) return true;
        if (outer.classList.contains("light")) return false;
      }
    } catch {
      // The document of the page around this one cannot be read: use the system's preference.
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
