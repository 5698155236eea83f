// The tasks of a cluster, newest first, fifty at a time.

import { get } from "./api.mjs";
import { h, table } from "./dom.mjs";
import { ago, hasFailed, last, state } from "./words.mjs";

const SHOWN = [["RUNNING", "Running"], ["STOPPED", "Stopped"], ["", "All"]];

export function load(place) {
  const { cluster, status = "RUNNING", search, before } = place;
  return get("tasks", { cluster, status: status === "all" ? "" : status, search, before });
}

export function render({ tasks, older }, place, { address, cluster }) {
  const status = place.status ?? "RUNNING";
  const counts = cluster?.tasks ?? {};
  const chosen = ([value]) => (value || "all") === status;
  return [
    h("h1", null, "Tasks"),
    h("p", { class: "counts" }, words(counts)),
    h("form", { class: "filter", role: "search", id: "filter" },
      h("label", null, "Show ", h("select", { name: "status" }, SHOWN.map((each) =>
        h("option", { value: each[0] || "all", selected: chosen(each) }, each[1])))),
      h("label", null, "Search ", h("input", { name: "search", type: "search", value: place.search ?? "", placeholder: "id, family, started by" }))),
    tasks.length ? table("Tasks, newest first", ["Task", "Status", "Definition", "Created", "Started by", "Exit", "Reason", "Action"], tasks.map(row))
      : h("p", { class: "empty" }, place.search ? "No task matches." : "No tasks here. Start one with RunTask."),
    h("p", { class: "pages" },
      place.before && h("a", { href: address({ before: null }) }, "Newest"),
      older && h("a", { href: address({ before: older }) }, "Older")),
  ];
}

function words(counts) {
  const waiting = ["PROVISIONING", "PENDING", "ACTIVATING"].reduce((sum, name) => sum + (counts[name] ?? 0), 0);
  return `${counts.RUNNING ?? 0} running, ${waiting} pending, ${counts.STOPPED ?? 0} stopped`;
}

function row(task) {
  const stops = task.desiredStatus === "STOPPED";
  return [
    h("a", { href: `#/task?arn=${encodeURIComponent(task.taskArn)}`, class: "code" }, last(task.taskArn).slice(0, 12)),
    state(task.lastStatus, hasFailed(task)),
    task.definition,
    ago(task.createdAt),
    task.group.startsWith("service:") ? task.group : task.startedBy ?? "",
    task.exitCodes.join(", "),
    h("span", { class: "reason" }, task.stoppedReason ?? ""),
    stops ? "" : h("button", { type: "button", "data-do": "stop", "data-arn": task.taskArn, "aria-label": `Stop task ${last(task.taskArn).slice(0, 12)}` }, "Stop"),
  ];
}
