// A confirmation in the page: Airflow's frame blocks confirm(). Needs a <dialog> in the page.
//
// <dialog id="…"><form method="dialog"> … <button value="cancel"> <button value="yes"> </form></dialog>
export function askIn(dialog) {
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.returnValue = "cancel";
    dialog.showModal();
  });
}
