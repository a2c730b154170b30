// What the server gives this page: token, prefix, language, user and sentences.
export const page = JSON.parse(document.getElementById("page").textContent);

// A sentence with its {values} filled in; the same form as on the server.
export function words(key, values = {}) {
  const sentence = page.words[key];
  if (sentence === undefined) throw new Error(`no sentence ${key}`);
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
