// Calls of the server. A call shows the session's token; its other half is a cookie that no script can read.

const ROOT = "/_fargate/ui";
const KEPT = "fargate-local-session";
const known = new Map(); // address → what it last answered, and the answer's tag

export class Refused extends Error {}

// Exchanges the code that the address may hold, and takes it out of the address and of the history.
export async function signIn() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!code) return;
  history.replaceState(null, "", location.pathname);
  const answer = await fetch(`${ROOT}/session`, { method: "POST", body: JSON.stringify({ code }) });
  const content = await answer.json();
  if (!answer.ok) throw new Refused(content.message);
  localStorage.setItem(KEPT, content.token);
}

function headers(more) {
  return { "X-Fargate-Local-Session": localStorage.getItem(KEPT) ?? "", ...more };
}

async function contentOf(answer) {
  const content = await answer.json();
  if (answer.ok) return content;
  throw new (answer.status === 403 ? Refused : Error)(content.message);
}

export async function get(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value != null);
  const address = `${ROOT}/api/${path}?${new URLSearchParams(given)}`;
  const before = known.get(address);
  const answer = await fetch(address, { headers: headers(before && { "If-None-Match": before.tag }), cache: "no-store" });
  if (answer.status === 304) return before.content;
  const content = await contentOf(answer);
  if (known.size > 20) known.clear();
  known.set(address, { tag: answer.headers.get("ETag"), content });
  return content;
}

// Lines of a log: each is asked for once, so nothing of them is remembered.
export async function lines(arn, container, position) {
  const given = new URLSearchParams({ arn, container, position: position ?? "" });
  return contentOf(await fetch(`${ROOT}/api/logs?${given}`, { headers: headers(), cache: "no-store" }));
}

export async function send(method, path, body) {
  return contentOf(await fetch(`${ROOT}/api/${path}`, { method, headers: headers(), body: body && JSON.stringify(body) }));
}
