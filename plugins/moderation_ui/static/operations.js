// The operations pages: a click on a run in a chart opens it; a missing photo shows its name.
const address = (point) => {
  const found = point?.customdata;
  return typeof found === "string" && found.startsWith("/") ? found : null;
};

// Plotly fills its elements when charts.js has drawn them; this module is loaded after it.
for (const chart of document.querySelectorAll("[data-chart]")) {
  chart.on?.("plotly_click", (event) => {
    const to = address(event.points[0]);
    if (to) window.location.assign(to);
  });
}

// May be called twice for one image: it may fail before the listener is there, and report it later.
function showMissing(image) {
  const place = image.closest(".picture");
  if (!place) return;
  place.classList.add("missing");
  place.textContent = image.alt;
}

for (const image of document.querySelectorAll(".picture img")) {
  image.addEventListener("error", () => showMissing(image));
  if (image.complete && image.naturalWidth === 0 && image.currentSrc) showMissing(image);
}

const unblur = document.getElementById("unblur");
unblur?.addEventListener("click", () => {
  const shown = document.body.classList.toggle("unblurred");
  unblur.setAttribute("aria-pressed", String(shown));
});
