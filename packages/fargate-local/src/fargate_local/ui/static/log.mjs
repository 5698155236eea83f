// A log that grows while it is looked at. The page keeps its last lines, so that a long log stays fluid.

import { lines } from "./api.mjs";
import { h } from "./dom.mjs";

const MOST_LINES = 5000;
const PAUSE = 700;
// Colours and cursor movements of terminals.
const CONTROL = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;

let followed = null;

// Follows what the page's log element names, until it is gone or names another.
export function follow() {
  const element = document.getElementById("log");
  const key = element?.dataset.key;
  if (element === followed?.element && key === followed?.key) return;
  followed = element && { element, key };
  if (followed) run(followed).catch((error) => element.append(h("div", { class: "line" }, error.message)));
}

async function run(mine) {
  const { arn, container } = mine.element.dataset;
  mine.element.replaceChildren();
  let position = null;
  while (mine === followed && mine.element.isConnected) {
    const page = await lines(arn, container, position);
    if (mine !== followed) return;
    if (position === null && page.position > page.lines.length) {
      mine.element.append(h("div", { class: "line cut" }, `… ${page.position - page.lines.length} earlier lines`));
    }
    position = page.position;
    append(mine.element, page.lines);
    if (page.lines.length) continue;
    if (page.ended) return;
    await new Promise((done) => setTimeout(done, PAUSE));
  }
}

function append(element, added) {
  if (!added.length) return;
  element.append(...added.map(([time, text]) => h("div", { class: "line" },
    h("time", null, new Date(time).toLocaleTimeString(undefined, { hour12: false })), " ", text.replace(CONTROL, ""))));
  while (element.childElementCount > MOST_LINES) element.firstElementChild.remove();
  if (document.getElementById("follow")?.checked) element.scrollTop = element.scrollHeight;
}
