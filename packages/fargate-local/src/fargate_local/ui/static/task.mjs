// One task: its state, its containers, the times of its phases, its logs.

import { get } from "./api.mjs";
import { facts, h, table } from "./dom.mjs";
import { clock, hasFailed, last, length, moment, size, state } from "./words.mjs";

// Phase, and the stamps that it lies between; developer guide, "Task lifecycle".
const PHASES = [
  ["Provisioning", "createdAt", "pullStartedAt"],
  ["Pulling images", "pullStartedAt", "pullStoppedAt"],
  ["Activating", "pullStoppedAt", "startedAt"],
  ["Running", "startedAt", "stoppingAt"],
  ["Stopping", "stoppingAt", "executionStoppedAt"],
  ["Deprovisioning", "executionStoppedAt", "stoppedAt"],
];

export function load(place) {
  return get("task", { arn: place.arn });
}

export function render(task, place, { address }) {
  const id = last(task.taskArn);
  const exits = task.containers.map((each) => each.exitCode).filter((code) => code != null);
  const container = place.container ?? task.logged[0];
  return [
    h("p", { class: "back" }, h("a", { href: "#/tasks" }, "All tasks")),
    h("h1", null, "Task ", h("span", { class: "code" }, id)),
    h("p", { class: "actions" }, state(task.lastStatus, hasFailed({ ...task, exitCodes: exits })),
      task.desiredStatus !== "STOPPED" && h("button", { type: "button", class: "danger", "data-do": "stop", "data-arn": task.taskArn }, "Stop task")),
    task.stoppedReason && h("p", { class: "reason big" }, h("b", null, task.stopCode), " ", task.stoppedReason),
    facts([
      ["Definition", last(task.taskDefinitionArn)],
      ["Cluster", last(task.clusterArn)],
      ["Size", size(task)],
      ["Capacity", task.capacityProviderName ?? task.launchType],
      ["Started by", task.startedBy],
      ["Group", task.group],
      ["Health", task.healthStatus],
      ["Created", moment(task.createdAt)],
      ["Tags", task.tags.map(({ key, value }) => `${key}=${value}`).join(", ")],
      ["ARN", h("span", { class: "code" }, task.taskArn)],
    ]),
    h("h2", null, "Containers"),
    table("Containers of the task", ["Name", "Status", "Exit", "Image", "Reason"], task.containers.map((each) => [
      each.name,
      state(each.lastStatus, each.exitCode > 0),
      each.exitCode ?? "",
      h("span", { class: "code" }, each.image, each.imageDigest && h("small", null, ` ${each.imageDigest.slice(0, 19)}`)),
      h("span", { class: "reason" }, each.reason ?? ""),
    ].map((cell) => (typeof cell === "number" ? String(cell) : cell)))),
    h("h2", null, "Phases"),
    phases(task),
    h("h2", { id: "log-title" }, "Logs"),
    task.logged.length === 0
      ? h("p", { class: "empty" }, "No container logs to CloudWatch: add a logConfiguration with awslogs to the definition.")
      : [
        h("p", { class: "filter" },
          task.logged.length > 1 && task.logged.map((name) =>
            h("a", { href: address({ container: name }), "aria-current": name === container && "true" }, name)),
          h("label", { class: "check" }, h("input", { type: "checkbox", id: "follow", checked: true }), " Keep at the end")),
        h("pre", { id: "log", role: "log", "aria-live": "off", "aria-labelledby": "log-title", tabindex: "0", "data-own": true,
          "data-key": `${task.taskArn} ${container}`, "data-arn": task.taskArn, "data-container": container }),
      ],
  ];
}

function phases(task) {
  const end = task.stoppedAt ?? Date.now() / 1000;
  const whole = Math.max(end - task.createdAt, 0.001);
  // A phase that a task did not come to, such as running, is passed over: the one before lasts until the next stamp.
  const begun = PHASES.filter(([, from]) => task[from] != null);
  const rows = begun.map(([name, from], at) => {
    const until = begun[at + 1] ? task[begun[at + 1][1]] : end;
    const x = (100 * (task[from] - task.createdAt)) / whole;
    const width = Math.max((100 * (until - task[from])) / whole, 0.5);
    return [name, clock(task[from]), length(Math.max(until - task[from], 0)),
      h("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", class: "bar", "aria-hidden": "true" },
        h("rect", { x: Math.min(x, 99.5), width, height: 8, y: 0 }))];
  });
  return table("Phases of the task", ["Phase", "From", "Took", "Share"], rows, true);
}
