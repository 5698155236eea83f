// Which page is shown, and what is done on it. A page is `load(place)`, data, and `render(data, place, around)`, elements.

import { get, Refused, send, signIn } from "./api.mjs";
import { h, morphChildren } from "./dom.mjs";
import * as faults from "./faults.mjs";
import { follow } from "./log.mjs";
import * as services from "./services.mjs";
import * as task from "./task.mjs";
import * as tasks from "./tasks.mjs";

const PAGES = { tasks, task, services: services.list, service: services.one, faults };
const SECTION = { task: "tasks", service: "services" };
const PAUSE = 1500;
const $ = (id) => document.getElementById(id);

let clusters = [];
let turn = 0; // of showing: what was asked for in an earlier turn is not shown any more
let timer = null;

function where() {
  const [name, query] = location.hash.slice(2).split("?");
  const page = PAGES[name] ? name : "tasks";
  return { page, place: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

function address(changes) {
  const { page, place } = where();
  const given = Object.entries({ ...place, ...changes }).filter(([, value]) => value != null && value !== "");
  return `#/${page}?${new URLSearchParams(given)}`;
}

function currentCluster(place) {
  const wanted = place.cluster ?? sessionStorage.getItem("cluster");
  const busy = clusters.find((each) => Object.keys(each.tasks).length || each.services);
  return clusters.find((each) => each.arn === wanted) ?? busy ?? clusters[0];
}

async function show() {
  const mine = ++turn;
  clearTimeout(timer);
  try {
    await load(mine);
    $("trouble").textContent = "";
  } catch (error) {
    if (mine !== turn) return;
    $("trouble").textContent = error instanceof TypeError ? "The server does not answer: start it with `fargate-local serve`." : error.message;
    if (error instanceof Refused) morphChildren($("main"), []);
    if (error instanceof Refused) return;
  }
  if (mine === turn && !document.hidden) timer = setTimeout(show, PAUSE);
}

async function load(mine) {
  const { page, place } = where();
  ({ clusters } = await get("clusters"));
  if (mine !== turn) return;
  const cluster = currentCluster(place);
  showClusters(cluster);
  for (const link of document.querySelectorAll("nav a")) {
    const current = link.getAttribute("href") === `#/${SECTION[page] ?? page}`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const data = await PAGES[page].load({ cluster: cluster?.arn ?? "", ...place });
  if (mine !== turn) return;
  const shown = PAGES[page].render(data, place, { address, cluster });
  morphChildren($("main"), shown.flat(Infinity).filter((each) => each));
  document.title = `${$("main").querySelector("h1").textContent} · fargate-local`;
  follow();
}

function showClusters(chosen) {
  const regions = new Set(clusters.map((each) => each.region));
  morphChildren($("cluster"), clusters.length ? clusters.map((each) =>
    h("option", { value: each.arn }, regions.size > 1 ? `${each.name} (${each.region})` : each.name)) : [h("option", { value: "" }, "none yet")]);
  $("cluster").value = chosen?.arn ?? "";
}

// Does something, says what was done or why not, and shows what has changed.
async function act(work) {
  try {
    $("said").textContent = await work();
  } catch (error) {
    $("said").textContent = "";
    $("trouble").textContent = error.message;
    return;
  }
  await show();
}

function askToStop(arn) {
  const dialog = $("stop");
  dialog.querySelector("form").reset();
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue !== "stop") return;
    const reason = dialog.querySelector("input").value;
    act(async () => {
      await send("POST", "stop", { arn, reason });
      return "The task is stopping.";
    });
  };
  dialog.showModal();
  dialog.querySelector("input").focus();
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-do]");
  if (button?.dataset.do === "stop") askToStop(button.dataset.arn);
  if (button?.dataset.do === "remove") act(() => faults.remove(button.dataset.id));
});

document.addEventListener("submit", (event) => {
  if (event.target.id === "add") {
    event.preventDefault();
    act(() => faults.add(event.target));
  }
  if (event.target.id === "filter") event.preventDefault();
});

document.addEventListener("input", ({ target }) => {
  if (target.form?.id === "filter") {
    const { status, search } = Object.fromEntries(new FormData(target.form));
    history.replaceState(null, "", address({ status, search, before: null }));
    show();
  }
  if (target.form?.id === "add" && target.name === "fault") {
    faults.choose(target.value);
    show();
  }
  if (target.id === "cluster") {
    sessionStorage.setItem("cluster", target.value);
    location.hash = `#/${SECTION[where().page] ?? where().page}`;
    show();
  }
  if (target.id === "theme") {
    localStorage.setItem("theme", target.value);
    document.documentElement.dataset.theme = target.value;
  }
});

window.addEventListener("hashchange", () => {
  $("said").textContent = "";
  show().then(() => $("main").focus());
});
document.addEventListener("visibilitychange", () => document.hidden || show());

$("theme").value = document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "";
signIn().then(show, (error) => ($("trouble").textContent = error.message));
