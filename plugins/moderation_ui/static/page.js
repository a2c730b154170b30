// Data of the page from the server: token, prefix, language, user and texts.
export const page = JSON.parse(document.getElementById("page").textContent);

// A text with its {values} filled in, as on the server.
export function words(key, values = {}) {
  const sentence = page.words[key];
  if (sentence === undefined) throw new Error(`no sentence ${key}`);
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
