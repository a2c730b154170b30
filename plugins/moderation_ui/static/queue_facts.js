// The policy for the queue page: classes with titles and keys, lease, order.
export const facts = JSON.parse(document.getElementById("queue-facts").textContent);

export const classes = facts.classes;
export const firstNormal = classes.find((c) => !c.violation);
export const violations = classes.filter((c) => c.violation);

const byName = new Map(classes.map((c) => [c.name, c]));
const byKey = new Map(classes.flatMap((c) => c.keys.map((key) => [key, c])));

export const classOf = (name) => byName.get(name);
export const classOfKey = (key) => byKey.get(key);

// A class that the policy no longer has is shown by its name.
export const titleOf = (name) => byName.get(name)?.title ?? String(name);
