// How times, names and states are said.

import { h } from "./dom.mjs";

const WAITING = new Set(["PROVISIONING", "PENDING", "ACTIVATING"]);
const FINE = new Set(["RUNNING", "ACTIVE", "HEALTHY", "COMPLETED", "PRIMARY"]);
const BAD = new Set(["FAILED", "UNHEALTHY"]);

export const last = (arn) => arn.slice(arn.lastIndexOf("/") + 1);

export function clock(seconds) {
  if (seconds == null) return null;
  const moment = new Date(seconds * 1000);
  return h("time", { datetime: moment.toISOString() }, moment.toLocaleTimeString(undefined, { hour12: false }));
}

export function moment(seconds) {
  if (seconds == null) return null;
  const date = new Date(seconds * 1000);
  return h("time", { datetime: date.toISOString() }, date.toLocaleString(undefined, { hour12: false }));
}

export function length(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

export function ago(seconds) {
  const passed = Math.max(Date.now() / 1000 - seconds, 0);
  return passed < 1 ? "now" : `${length(Math.floor(passed)).replace(".00", "")} ago`;
}

export function state(name, failed = false) {
  const tone = failed || BAD.has(name) ? "bad" : FINE.has(name) ? "good" : WAITING.has(name) ? "wait" : "rest";
  return h("span", { class: `state ${tone}` }, name);
}

// A stopped task has failed when a container has, or when none came to an end of its own.
export function hasFailed(task) {
  if (task.desiredStatus !== "STOPPED") return false;
  const failed = (task.exitCodes ?? []).some((code) => code !== 0);
  return failed || (task.stopCode != null && !["EssentialContainerExited", "UserInitiated", "ServiceSchedulerInitiated"].includes(task.stopCode));
}

export const size = (task) => `${Number(task.cpu) / 1024} vCPU, ${Number(task.memory)} MiB`;
