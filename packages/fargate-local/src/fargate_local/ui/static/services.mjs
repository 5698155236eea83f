// The services of a cluster, and one of them with its deployments and events.

import { get } from "./api.mjs";
import { facts, h, table } from "./dom.mjs";
import { last, moment, state } from "./words.mjs";

const counts = (each) => `${each.runningCount} of ${each.desiredCount} running${each.pendingCount ? `, ${each.pendingCount} pending` : ""}`;

// The tasks of a deployment are those that it started.
const tasksOf = (service, { id }) => `#/tasks?${new URLSearchParams({ cluster: service.clusterArn, status: "all", search: id })}`;

export const list = {
  load: (place) => get("services", { cluster: place.cluster }),
  render: ({ services }) => [
    h("h1", null, "Services"),
    services.length
      ? table("Services", ["Service", "Status", "Tasks", "Definition", "Deployment"], services.map((each) => [
        h("a", { href: `#/service?arn=${encodeURIComponent(each.serviceArn)}` }, each.serviceName),
        state(each.status),
        counts(each),
        last(each.taskDefinition),
        state(each.deployments[0]?.rolloutState ?? ""),
      ]))
      : h("p", { class: "empty" }, "No services here. Make one with CreateService."),
  ],
};

export const one = {
  load: (place) => get("service", { arn: place.arn }),
  render: (service) => [
    h("p", { class: "back" }, h("a", { href: "#/services" }, "All services")),
    h("h1", null, "Service ", service.serviceName),
    h("p", { class: "actions" }, state(service.status), h("span", null, counts(service))),
    facts([
      ["Cluster", last(service.clusterArn)],
      ["Definition", last(service.taskDefinition)],
      ["Created", moment(service.createdAt)],
    ]),
    h("h2", null, "Deployments"),
    table("Deployments of the service", ["Deployment", "Rollout", "Tasks", "Failed", "Definition", "Reason"], service.deployments.map((each) => [
      state(each.status),
      state(each.rolloutState ?? ""),
      h("a", { href: tasksOf(service, each) }, counts(each)),
      String(each.failedTasks ?? 0),
      last(each.taskDefinition),
      h("span", { class: "reason" }, each.rolloutStateReason ?? ""),
    ])),
    h("h2", null, "Events"),
    h("ol", { class: "events" }, service.events.map((each) => h("li", null, moment(each.createdAt), " ", each.message))),
  ],
};
