// Fault rules: those that are active, and a form for one more.

import { get, send } from "./api.mjs";
import { h, table } from "./dom.mjs";

const HINTS = {
  action: ["API action", "text", "*"],
  cluster: ["Cluster", "text", "*"],
  family: ["Family", "text", "*"],
  capacity_provider: ["Capacity provider", "text", "*"],
  seconds: ["Seconds", "number", ""],
  warning_seconds: ["Warning seconds", "number", "120"],
  message: ["Message", "text", "AWS's own"],
  after: ["Let through first", "number", "0"],
  times: ["At most, times", "number", "no limit"],
  probability: ["Probability", "number", "1"],
};
const COUNTED = ["id", "matched", "injected", "fault"];

let chosen = "throttling";

export const load = () => get("faults");

export function render({ rules, kinds }) {
  const kind = kinds.find((each) => each.fault === chosen);
  return [
    h("h1", null, "Faults"),
    rules.length
      ? table("Active rules", ["Rule", "Fault", "Where", "Matched", "Injected", "Action"], rules.map(row))
      : h("p", { class: "empty" }, "No rules: everything works."),
    h("h2", { id: "add-title" }, "Add a fault"),
    h("form", { id: "add", class: "grid", "aria-labelledby": "add-title" },
      h("label", null, "Fault ", h("select", { name: "fault" }, kinds.map(({ fault }) => h("option", { value: fault, selected: fault === chosen }, fault)))),
      h("p", { class: "does" }, kind.does),
      kind.fields.map((name) => field(name, kind)),
      h("p", { class: "actions" }, h("button", { class: "main" }, "Add fault"))),
    h("p", { class: "hint" }, "Patterns: * stands for anything. Fields left empty do not restrict the rule."),
  ];
}

function row(rule) {
  const where = Object.entries(rule).filter(([name]) => !COUNTED.includes(name)).map(([name, value]) => `${name}=${value}`);
  return [
    String(rule.id), rule.fault, where.join(", "), String(rule.matched), String(rule.injected),
    h("button", { type: "button", "data-do": "remove", "data-id": rule.id, "aria-label": `Remove rule ${rule.id}, ${rule.fault}` }, "Remove"),
  ];
}

function field(name, { fault, states, required }) {
  if (name === "state") {
    return h("label", { "data-key": name }, "State ", h("select", { name }, states.map((each) => h("option", { value: each, selected: each === "PENDING" }, each))));
  }
  const [label, type, placeholder] = HINTS[name];
  const limits = type === "number" ? { min: name === "times" ? 1 : 0, step: ["after", "times"].includes(name) ? 1 : "any", max: name === "probability" ? 1 : null } : {};
  return h("label", { "data-key": name }, `${label} `, h("input", { name, type, placeholder, required: required.includes(name), ...limits }));
}

export function choose(fault) {
  chosen = fault;
}

// Adds what the form says; returns the words for it.
export async function add(form) {
  const given = [...new FormData(form)].filter(([, value]) => value !== "");
  const rule = Object.fromEntries(given.map(([name, value]) => [name, HINTS[name]?.[1] === "number" ? Number(value) : value]));
  const { id } = await send("POST", "faults", rule);
  form.reset();
  return `Rule ${id} added: ${rule.fault}.`;
}

export async function remove(id) {
  await send("DELETE", `faults/${id}`);
  return `Rule ${id} removed.`;
}
