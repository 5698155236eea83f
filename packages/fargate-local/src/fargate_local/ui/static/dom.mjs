// Elements from data. Text becomes text nodes only: nothing that a task says is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";
const SHAPES = new Set(["svg", "rect"]);

export function h(name, attributes, ...children) {
  const element = SHAPES.has(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value != null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

// Changes `live` into `wanted` where they differ, so that focus, selection, typed text and scrolling stay.
// An element with `data-own` looks after its children itself.
export function morph(live, wanted) {
  for (const { name } of [...live.attributes]) if (!wanted.hasAttribute(name)) live.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (live.getAttribute(name) !== value) live.setAttribute(name, value);
  if (!live.hasAttribute("data-own")) morphChildren(live, [...wanted.childNodes]);
}

export function morphChildren(live, wanted) {
  wanted.forEach((node, at) => {
    const there = live.childNodes[at];
    if (!there) live.append(node);
    else if (!alike(there, node)) there.replaceWith(node);
    else if (node.nodeType === Node.TEXT_NODE) {
      if (there.data !== node.data) there.data = node.data;
    } else morph(there, node);
  });
  while (live.childNodes.length > wanted.length) live.lastChild.remove();
}

function alike(one, other) {
  return one.nodeName === other.nodeName && one.id === other.id && one.dataset?.key === other.dataset?.key;
}

// A table whose cells know their titles: on a phone its rows are cards, unless they are narrow enough.
export function table(caption, titles, rows, narrow = false) {
  const head = titles.map((title) => h("th", { scope: "col", role: "columnheader" }, title));
  return h("table", { role: "table", class: narrow ? null : "cards" },
    h("caption", null, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
    h("tbody", { role: "rowgroup" }, rows.map((cells) => h("tr", { role: "row" },
      cells.map((cell, at) => h("td", { role: "cell", "data-label": titles[at] }, cell))))));
}

export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value != null && value !== "" && value !== false);
  return h("dl", null, shown.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}
