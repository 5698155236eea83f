// The DataVision page: what runs, since when, what it costs, and the way back. Airflow gives React and its router.
import htm from "./htm.mjs";
import { language, WORDS } from "./words.mjs";
import { STYLE } from "./style.mjs";

const { React } = globalThis;
const { Link, useParams } = globalThis.ReactRouterDOM;
const { useCallback, useEffect, useId, useRef, useState } = React;
const html = htm.bind(React.createElement);
const HOME = new URL("../", import.meta.url);
const LANGUAGE = language();
const WORD = WORDS[LANGUAGE];
const ZONE = "America/Argentina/Buenos_Aires";
const COLORS = { success: "green", failed: "red", upstream_failed: "orange", running: "blue", deferred: "blue" };

// --- Words, numbers, moments

const t = (key, values = {}) => WORD[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const number = (value, options) => new Intl.NumberFormat(LANGUAGE === "es" ? "es-AR" : "en", options).format(value);
const money = (value) => (value == null ? "–" : `US$ ${number(value, { maximumSignificantDigits: 2 })}`);
const memory = (mib) => (mib >= 1024 ? `${number(mib / 1024, { maximumFractionDigits: 1 })} GB` : `${mib} MB`);
const size = (launch) => `${number(launch.cpu / 1024)} vCPU, ${memory(launch.memory)}`;
const short = (digest) => (digest ? digest.slice(7, 19) : "–");
const stateWord = (state) => WORD.states[state ?? "none"] ?? state;

function duration(seconds) {
  if (seconds == null) return "–";
  if (seconds < 60) return `${number(seconds, { maximumFractionDigits: 1 })} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

function moment(iso) {
  if (!iso) return "–";
  const parts = { day: "2-digit", month: "2-digit", year: "2-digit", hour: "2-digit", minute: "2-digit", timeZone: ZONE };
  return new Date(iso).toLocaleString(LANGUAGE === "es" ? "es-AR" : "en-GB", { ...parts, hour12: false });
}

// --- Addresses

const of = (...parts) => parts.map(encodeURIComponent).join("/");
const TOP = "/plugin/datavision";
/** Whether the page was opened from the navigation, where it has the whole width, and not as a tab of Airflow's own pages. */
let alone = true;
const pipelinePage = (dag) => (alone ? `${TOP}/${of(dag)}` : `/dags/${of(dag)}/plugin/datavision-pipeline`);
const runPage = (dag, run) => (alone ? `${TOP}/${of(dag, run)}` : `/dags/${of(dag)}/runs/${of(run)}/plugin/datavision-run`);
const logPage = (dag, run, task) => `/dags/${of(dag)}/runs/${of(run)}/tasks/${of(task.id)}${task.map_index < 0 ? "" : `/mapped/${task.map_index}`}`;

// --- The server

class Refused extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

async function send(path, body) {
  const posted = { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const answer = await fetch(new URL(path, HOME), { credentials: "same-origin", ...(body ? posted : {}) });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Refused(said.kind, typeof said.detail === "string" ? said.detail : `${answer.status} ${answer.statusText}`);
}

/** What the server answers to a path, asked again on `reload`; an answer to a path that is no longer wanted is dropped. */
function useAnswer(path) {
  const [found, setFound] = useState({});
  const [count, setCount] = useState(0);
  useEffect(() => {
    let wanted = true;
    setFound((before) => (before.path === path ? before : {}));
    if (path) {
      send(path)
        .then((answer) => answer.json())
        .then((data) => wanted && setFound({ path, data }))
        .catch((error) => wanted && setFound({ path, error }));
    }
    return () => (wanted = false);
  }, [path, count]);
  return { ...found, reload: useCallback(() => setCount((before) => before + 1), []) };
}

function Loaded({ answer, children }) {
  if (answer.error) {
    return html`<div role="alert" className="dv-note dv-bad">
      ${answer.error.message} <button className="dv-button" onClick=${answer.reload}>${t("retry")}</button>
    </div>`;
  }
  return answer.data ? children(answer.data) : html`<p className="dv-muted" role="status">${t("loading")}</p>`;
}

// --- Small parts

const Badge = ({ color, children }) => html`<span className=${`dv-badge dv-${color ?? "gray"}`}>${children}</span>`;
const State = ({ state }) => html`<${Badge} color=${COLORS[state]}>${stateWord(state)}<//>`;
const Fact = ({ name, children }) => html`<div className="dv-fact"><dt>${name}</dt><dd>${children}</dd></div>`;

const Table = ({ label, columns, rows }) => html`
  <div className="dv-scroll" role="region" aria-label=${label} tabIndex="0">
    <table>
      <caption className="dv-hidden">${label}</caption>
      <thead><tr>${columns.map((name, index) => html`<th key=${index} scope="col">${name}</th>`)}</tr></thead>
      <tbody>
        ${rows.map((cells, row) => html`<tr key=${row}>${cells.map((cell, index) => html`<td key=${index}>${cell}</td>`)}</tr>`)}
      </tbody>
    </table>
  </div>
`;

const Section = ({ title, children }) => html`<section className="dv-section"><h2>${title}</h2>${children}</section>`;

function Lateness({ pipeline }) {
  if (pipeline.late) return html`<${Badge} color="red">${t("late")}<//>`;
  if (pipeline.paused) return html`<${Badge}>${t("paused")}<//>`;
  return pipeline.schedule ? html`<${Badge} color="green">${t("onTime")}<//>` : html`<${Badge}>${t("onDemand")}<//>`;
}

function LateNote({ late }) {
  if (!late) return null;
  const text = late.why === "not_created" ? "lateNotCreated" : "lateNotDone";
  return html`<p className="dv-note dv-bad" role="alert">${t("late")}: ${t(text, { when: moment(late.since) })}.</p>`;
}

const Modules = ({ pin }) => html`${Object.entries(pin.modules).map(([module, tag]) => `${module} ${tag}`).join(" · ")}`;

function Release({ pin }) {
  if (!pin) return html`<span className="dv-muted">${t("noPin")}</span>`;
  return html`<strong>${pin.version}</strong>
    <span className="dv-muted"> ${t("since", { when: moment(pin.since), who: pin.by })}</span>
    <div className="dv-muted"><${Modules} pin=${pin} /></div>`;
}

function NextRun({ pipeline }) {
  if (pipeline.next_run) return html`${moment(pipeline.next_run)}`;
  return html`<span className="dv-muted">${t(pipeline.schedule ? "notScheduled" : "onDemand")}</span>`;
}

function Drift({ dag }) {
  const answer = useAnswer(`pipelines/${of(dag)}/drift`);
  if (answer.error) return html`<span title=${answer.error.message}>${t("driftUnknown")}</span>`;
  if (!answer.data) return html`<span className="dv-muted">${t("checking")}</span>`;
  const { drift } = answer.data;
  return drift.length ? html`<ul className="dv-bad">${drift.map((text) => html`<li key=${text}>${text}</li>`)}</ul>` : html`${t("noDrift")}`;
}

function runLabel(run, summary) {
  const parts = [stateWord(run.state), moment(run.due), duration(run.seconds), run.release && `${t("release")} ${run.release}`];
  return [...parts, summary && money(summary.cost)].filter(Boolean).join(", ");
}

/** The last runs, oldest first, as bars as high as they were long. */
function Strip({ dag, runs, summaries }) {
  if (!runs.length) return html`<p className="dv-muted">${t("noRuns")}</p>`;
  const longest = Math.max(...runs.map((run) => run.seconds ?? 0), 1);
  const bar = (run) => {
    const label = runLabel(run, summaries?.[run.id]);
    const height = 8 + Math.round((28 * (run.seconds ?? 0)) / longest);
    return html`<li key=${run.id}>
      <${Link} to=${runPage(dag, run.id)} title=${label} aria-label=${label}>
        <span className=${`dv-bar dv-fill-${COLORS[run.state] ?? "gray"}`} style=${{ height }} />
      <//>
    </li>`;
  };
  return html`<ol className="dv-strip" aria-label=${t("lastRuns")}>${[...runs].reverse().map(bar)}</ol>`;
}

// --- All pipelines

function PipelineCard({ pipeline }) {
  const summaries = useAnswer(pipeline.runs.length ? `pipelines/${of(pipeline.id)}/summaries` : null);
  return html`<article className="dv-card">
    <header>
      <h2><${Link} to=${pipelinePage(pipeline.id)}>${pipeline.id}<//></h2>
      <${Lateness} pipeline=${pipeline} />
    </header>
    <${LateNote} late=${pipeline.late} />
    <dl>
      <${Fact} name=${t("release")}><${Release} pin=${pipeline.pin} /><//>
      <${Fact} name=${t("dataAsOf")}>${pipeline.data_as_of ? moment(pipeline.data_as_of) : t("never")}<//>
      <${Fact} name=${t("nextRun")}><${NextRun} pipeline=${pipeline} /><//>
      <${Fact} name=${t("drift")}><${Drift} dag=${pipeline.id} /><//>
    </dl>
    <${Strip} dag=${pipeline.id} runs=${pipeline.runs} summaries=${summaries.data?.runs} />
  </article>`;
}

function Pipelines() {
  const answer = useAnswer("pipelines");
  return html`<${Loaded} answer=${answer}>
    ${(data) => html`
      <header className="dv-head">
        <div><h1>${t("title")} <${Badge}>${data.env}<//></h1><p className="dv-muted">${t("subtitle")}</p></div>
        ${data.operator && !data.reviewed && html`<${Releasing} onDone=${answer.reload} />`}
      </header>
      ${data.pipelines.length === 0 && html`<p>${t("noPipelines")}</p>`}
      <div className="dv-cards">${data.pipelines.map((item) => html`<${PipelineCard} key=${item.id} pipeline=${item} />`)}</div>
    `}
  <//>`;
}

// --- One pipeline

/** Bars: seconds; line: cost; a broken line where a run began with another release than the one before it. */
function Chart({ runs, summaries }) {
  const shown = [...runs].reverse();
  const cost = (run) => summaries?.[run.id]?.cost ?? 0;
  const [longest, dearest] = [Math.max(...shown.map((run) => run.seconds ?? 0), 1), Math.max(...shown.map(cost), 1e-9)];
  const [step, high] = [22, 120];
  const x = (index) => 74 + index * step;
  const y = (share) => 10 + high * (1 - share);
  const changed = (run, index) => index > 0 && run.release && run.release !== shown[index - 1].release;
  const line = shown.map((run, index) => `${x(index) + 7},${y(cost(run) / dearest)}`).join(" ");
  return html`<svg className="dv-chart" role="img" aria-label=${t("chart")} viewBox=${`0 0 ${x(shown.length) + 90} ${high + 40}`}>
    <text x="68" y="16" textAnchor="end">${duration(longest)}</text>
    <text x="68" y=${high + 12} textAnchor="end">0</text>
    <text x=${x(shown.length) + 4} y="16">${money(dearest)}</text>
    ${shown.map((run, index) => {
      const part = (run.seconds ?? 0) / longest;
      return html`<g key=${run.id}>
        <title>${runLabel(run, summaries?.[run.id])}</title>
        <rect className=${`dv-fill-${COLORS[run.state] ?? "gray"}`} x=${x(index)} y=${y(part)} width="14" height=${high * part + 1} rx="2" />
        ${changed(run, index) && html`<line x1=${x(index) - 4} x2=${x(index) - 4} y1="6" y2=${high + 16} className="dv-mark" />`}
        ${changed(run, index) && html`<text x=${x(index) - 4} y=${high + 30} textAnchor="middle">${run.release}</text>`}
      </g>`;
    })}
    ${summaries && html`<polyline points=${line} className="dv-line" />`}
  </svg>`;
}

const tests = (summary) => {
  if (!summary) return "–";
  const failed = summary.failures;
  return failed ? html`<strong className="dv-bad">${t("testsFailed", { n: failed })}</strong>` : t("testsOk", { n: summary.tests });
};
const sum = (rows) => Object.values(rows).reduce((total, count) => total + count, 0);

function Runs({ dag, runs, summaries }) {
  const rows = runs.map((run) => {
    const summary = summaries?.[run.id];
    const asked = run.asked ? ` (${t("asked")})` : "";
    return [
      html`<${Link} to=${runPage(dag, run.id)}>${moment(run.due)}<//>`,
      html`<${State} state=${run.state} />`,
      WORD.kinds[run.kind] ?? run.kind,
      `${run.release ?? "–"}${asked}`,
      duration(run.seconds),
      summary ? money(summary.cost) : "…",
      summary ? number(sum(summary.rows)) : "…",
      tests(summary),
    ];
  });
  const columns = ["when", "state", "kind", "release", "seconds", "cost", "rows", "tests"].map((key) => t(key));
  return html`<${Table} label=${t("runs")} columns=${columns} rows=${rows} />`;
}

const LEVELS = { ok: "green", warn: "yellow", fail: "red" };

/** What one check found in each of the runs, oldest first: the higher a mark, the worse. */
function Marks({ check, runs }) {
  const bad = check.levels.filter((level) => level && level !== "ok").length;
  const looked = check.levels.filter(Boolean).length;
  const mark = (run, index) => {
    const level = check.levels[index];
    const found = level === "ok" ? t("passed") : level ? t("rowsCount", { n: number(check.rows[index] ?? 0) }) : t("notChecked");
    return html`<span key=${run.id} title=${`${moment(run.due)}: ${found}`} className=${`dv-level-${level ?? "none"} dv-fill-${LEVELS[level] ?? "gray"}`} />`;
  };
  return html`<span className="dv-marks" role="img" aria-label=${t("badIn", { n: bad, of: looked })}>${runs.map(mark).reverse()}</span>`;
}

function Checks({ checks, runs, tests }) {
  if (!checks.length) return html`<p className="dv-muted">${t("allPassed", { n: tests })}</p>`;
  const rows = checks.map((check) => {
    const last = check.levels.findIndex((level) => level && level !== "ok");
    return [
      html`<span className="dv-name">${check.name}</span> <span className="dv-muted">${check.task}</span>`,
      html`<${Marks} check=${check} runs=${runs} />`,
      moment(runs[last]?.due),
      number(check.rows[last] ?? 0),
      html`<span className="dv-name">${check.sample.join("; ") || "–"}</span>`,
    ];
  });
  const columns = ["test", "lastRuns", "lastFound", "rows", "keys"].map((key) => t(key));
  return html`<${Table} label=${t("dataTests")} columns=${columns} rows=${rows} />`;
}

const ACTIONS = { release: "actionRelease", rollback: "actionRollback", promote: "actionPromote" };

function Timeline({ entries, runs }) {
  const rows = entries.map((entry, index) => [
    html`<strong>${entry.version}</strong>${index === 0 && html` <${Badge} color="green">${t("current")}<//>`}`,
    t(ACTIONS[entry.action] ?? "actionUnknown"),
    moment(entry.since),
    entry.by,
    entry.reason,
    t("runsWithIt", { n: runs.filter((run) => run.release === entry.version).length }),
  ]);
  const columns = ["release", "what", "when", "who", "reason", "runs"].map((key) => t(key));
  return html`<${Table} label=${t("timeline")} columns=${columns} rows=${rows} />`;
}

function Difference({ dag, before, after }) {
  const answer = useAnswer(`pipelines/${of(dag)}/diff?${new URLSearchParams({ before, after })}`);
  return html`<${Loaded} answer=${answer}>${(found) => html`<${Changes} found=${found} />`}<//>`;
}

function Changes({ found }) {
  const arrow = ([from, to]) => `${from ?? "∅"} → ${to ?? "∅"}`;
  const lists = [
    ["images", Object.entries(found.images).filter(([, [from, to]]) => from !== to).map(([name, pair]) => `${name}: ${arrow(pair)}`)],
    ["commits", Object.entries(found.commits).flatMap(([module, commits]) => commits.map((text) => `${module}: ${text}`))],
    ["dependencies", Object.entries(found.dependencies).map(([name, pair]) => `${name}: ${arrow(pair)}`)],
    ["models", Object.entries(found.models).map(([name, what]) => `${name}: ${WORD[what] ?? what}`)],
  ].filter(([, items]) => items.length);
  if (!lists.length) return html`<p className="dv-muted">${t("noDifference")}</p>`;
  return html`<dl className="dv-changes">
    ${lists.map(([key, items]) => html`<${Fact} key=${key} name=${t(key)}>
      <ul>${items.map((item) => html`<li key=${item}>${item}</li>`)}</ul>
    <//>`)}
  </dl>`;
}

const distinct = (entries) => [...new Set(entries.map((entry) => entry.version))];

function Choice({ label, value, options, onChange }) {
  const id = useId();
  return html`<label htmlFor=${id}>${label} </label>
    <select id=${id} value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${options.map((option) => html`<option key=${option}>${option}</option>`)}
    </select>`;
}

function Compare({ dag, entries }) {
  const versions = distinct(entries);
  const [before, setBefore] = useState(versions[1]);
  const [after, setAfter] = useState(versions[0]);
  if (versions.length < 2) return null;
  return html`<div className="dv-compare">
    <${Choice} label=${t("compare")} value=${before} options=${versions} onChange=${setBefore} />
    <span> </span>
    <${Choice} label=${t("with")} value=${after} options=${versions} onChange=${setAfter} />
    <${Difference} dag=${dag} before=${before} after=${after} />
  </div>`;
}

const Advice = ({ advice }) => html`<${Section} title=${t("advice")}>
  <ul>
    ${Object.entries(advice).map(([task, found]) => {
      const values = { task, peak: memory(found.peak), memory: memory(found.memory), better: memory(found.better) };
      return html`<li key=${task}>${t(found.better < found.memory ? "adviceText" : "adviceMore", values)}</li>`;
    })}
  </ul>
<//>`;

function Pipeline({ dag }) {
  const [before, setBefore] = useState(null);
  const page = before ? `?${new URLSearchParams({ before })}` : "";
  const answer = useAnswer(`pipelines/${of(dag)}${page}`);
  const summaries = useAnswer(`pipelines/${of(dag)}/summaries${page ? `${page}&` : "?"}limit=30`);
  return html`<${Loaded} answer=${answer}>
    ${(data) => html`
      <header className="dv-head">
        <div><h1>${dag} <${Lateness} pipeline=${data} /></h1><${LateNote} late=${data.late} /></div>
        ${data.operator && data.pin && html`<${Changing} data=${data} onDone=${answer.reload} />`}
      </header>
      <dl className="dv-facts">
        <${Fact} name=${t("release")}><${Release} pin=${data.pin} /><//>
        <${Fact} name=${t("dataAsOf")}>${data.data_as_of ? moment(data.data_as_of) : t("never")}<//>
        <${Fact} name=${t("nextRun")}><${NextRun} pipeline=${data} /><//>
        <${Fact} name=${t("drift")}><${Drift} dag=${dag} key=${data.pin?.version} /><//>
      </dl>
      <${Section} title=${t("chart")}>
        <${Chart} runs=${data.runs} summaries=${summaries.data?.runs} />
        <${Runs} dag=${dag} runs=${data.runs} summaries=${summaries.data?.runs} />
        <p>
          ${before && html`<button className="dv-button" onClick=${() => setBefore(null)}>${t("newest")}</button>`}
          ${data.more && html`<button className="dv-button" onClick=${() => setBefore(data.runs.at(-1).due)}>${t("older")}</button>`}
        </p>
      <//>
      ${summaries.data && data.runs.length > 0 && html`<${Section} title=${t("dataTests")}>
        <${Checks} checks=${summaries.data.checks} runs=${data.runs} tests=${summaries.data.runs[data.runs[0].id]?.tests ?? 0} />
      <//>`}
      ${Object.keys(summaries.data?.advice ?? {}).length > 0 && html`<${Advice} advice=${summaries.data.advice} />`}
      <${Section} title=${t("timeline")}>
        <${Timeline} entries=${data.timeline} runs=${data.runs} />
        <${Compare} dag=${dag} entries=${data.timeline} />
      <//>
    `}
  <//>`;
}

// --- What changes something

/** A modal dialog of the browser's own: it keeps the focus, and Escape closes it. */
function Dialog({ title, onClose, children }) {
  const dialog = useRef(null);
  const id = useId();
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} className="dv-dialog" aria-labelledby=${id} onClose=${onClose}>
    <h2 id=${id}>${title}</h2>
    ${children}
  </dialog>`;
}

function Reason({ value, onChange }) {
  const id = useId();
  return html`<p>
    <label htmlFor=${id}>${t("reason")}</label>
    <input id=${id} required maxLength="200" value=${value} onChange=${(event) => onChange(event.target.value)} aria-describedby=${`${id}-help`} />
    <small id=${`${id}-help`} className="dv-muted">${t("reasonHelp")}</small>
  </p>`;
}

const Wrong = ({ error }) => error && html`<p role="alert" className="dv-note dv-bad">${error.message}</p>`;

const Buttons = ({ onClose, busy, disabled, children }) => html`<p className="dv-buttons">
  <button type="button" className="dv-button" onClick=${onClose}>${t(children ? "cancel" : "close")}</button>
  ${children && html`<button className="dv-button dv-main" disabled=${busy || disabled} aria-busy=${busy}>${children}</button>`}
</p>`;

function ChangeDialog({ data, onClose, onDone }) {
  const now = data.pin.version;
  const others = distinct(data.timeline).filter((version) => version !== now);
  const [version, setVersion] = useState(others[0]);
  const [reason, setReason] = useState("");
  const [state, setState] = useState({});
  const back = distinct(data.timeline).indexOf(version) > 0;
  const change = async (event) => {
    event.preventDefault();
    setState({ busy: true });
    try {
      setState({ done: await (await send(`rollback/${of(data.id)}`, { version, reason })).json() });
      onDone();
    } catch (error) {
      setState({ error });
    }
  };
  if (state.done) {
    return html`<p role="status">${t("done", { pipeline: data.id, before: state.done.before ?? now, version: state.done.version })}</p>
      <${Buttons} onClose=${onClose} />`;
  }
  return html`<form onSubmit=${change}>
    <p><${Choice} label=${t("changeTo")} value=${version} options=${others} onChange=${setVersion} /></p>
    <h3>${t(back ? "undone" : "gained", { from: now, to: version })}</h3>
    <${Difference} dag=${data.id} before=${back ? version : now} after=${back ? now : version} />
    <p className="dv-muted">${t("inFlight")}</p>
    <${Reason} value=${reason} onChange=${setReason} />
    <${Wrong} error=${state.error} />
    <${Buttons} onClose=${onClose} busy=${state.busy} disabled=${!reason.trim()}>${t(back ? "rollbackTo" : "forwardTo", { version })}<//>
  </form>`;
}

function Reviewed({ data }) {
  return html`<p>${t("reviewed", { env: data.env })}</p>
    <pre><code>datavision rollback ${data.id} --to VERSION --env ${data.env} --push</code></pre>`;
}

function Changing({ data, onDone }) {
  const [open, setOpen] = useState(false);
  if (distinct(data.timeline).length < 2) return null;
  const close = () => setOpen(false);
  return html`<button className="dv-button dv-main" onClick=${() => setOpen(true)}>${t("change")}</button>
    ${open && html`<${Dialog} title=${t("changeTitle", { pipeline: data.id })} onClose=${close}>
      ${data.reviewed
        ? html`<${Reviewed} data=${data} /><${Buttons} onClose=${close} />`
        : html`<${ChangeDialog} data=${data} onClose=${close} onDone=${onDone} />`}
    <//>`}`;
}

/** Call `hear` with each line of JSON as it arrives. */
async function lines(answer, hear) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = "", part = await reader.read(); ; part = await reader.read()) {
    const parts = (rest + (part.value ?? "")).split("\n");
    rest = parts.pop();
    parts.filter(Boolean).forEach((line) => hear(JSON.parse(line)));
    if (part.done) return;
  }
}

function ReleaseDialog({ onClose, onDone }) {
  const plan = useAnswer("release");
  const [reason, setReason] = useState("");
  const [said, setSaid] = useState(null);
  const [error, setError] = useState(null);
  const end = said?.at(-1)?.done;
  const make = async (event) => {
    event.preventDefault();
    setSaid([]);
    setError(null);
    try {
      await lines(await send("release", { reason }), (line) =>
        line.error ? setError(new Error(line.error)) : setSaid((before) => [...before, line]));
      onDone();
    } catch (failure) {
      setError(failure);
    }
  };
  const steps = said && html`<ol className="dv-steps" role="log">
    ${said.filter((line) => line.step).map((line, index) => html`<li key=${index}>${line.step}</li>`)}
  </ol>`;
  if (end) return html`${steps}<p role="status">${t("released", { version: end.version })}</p><${Buttons} onClose=${onClose} />`;
  return html`<${Loaded} answer=${plan}>
    ${(found) => html`<form onSubmit=${make}>
      <p><strong>${t("planTitle", { version: found.version })}</strong></p>
      <ul>${Object.entries(found.modules).map(([module, fate]) => html`<li key=${module}>
        ${module}: ${t({ build: "fateBuild", keep: "fateKeep", pin: "fatePin" }[fate])}
      </li>`)}</ul>
      <p>${t("planPipelines")} ${found.pipelines.join(", ")}</p>
      <${Reason} value=${reason} onChange=${setReason} />
      ${steps}
      <${Wrong} error=${error} />
      <${Buttons} onClose=${onClose} busy=${said !== null && !error} disabled=${!reason.trim()}>${t("doRelease")}<//>
    </form>`}
  <//>`;
}

function Releasing({ onDone }) {
  const [open, setOpen] = useState(false);
  const close = () => setOpen(false);
  return html`<button className="dv-button dv-main" onClick=${() => setOpen(true)}>${t("releaseTree")}</button>
    ${open && html`<${Dialog} title=${t("releaseTree")} onClose=${close}><${ReleaseDialog} onClose=${close} onDone=${onDone} /><//>`}`;
}

// --- One run, one task

function Phases({ phases }) {
  const total = phases.reduce((seconds, phase) => seconds + phase.seconds, 0) || 1;
  return html`<div className="dv-phases" role="img" aria-label=${phases.map((phase) => `${t(phase.name)} ${duration(phase.seconds)}`).join(", ")}>
      ${phases.map((phase) => html`<span key=${phase.name} className=${`dv-phase-${phase.name}`} style=${{ flexGrow: phase.seconds / total }} />`)}
    </div>
    <p className="dv-muted dv-legend">
      ${phases.map((phase) => html`<span key=${phase.name}><i className=${`dv-phase-${phase.name}`} /> ${t(phase.name)} ${duration(phase.seconds)} </span>`)}
    </p>`;
}

function Digest({ launch }) {
  const verdict = !launch.seen ? "notSeen" : launch.seen === launch.digest ? "same" : "different";
  return html`<code title=${launch.digest}>${short(launch.digest)}</code>
    <span className=${verdict === "different" ? "dv-bad" : "dv-muted"}> ${t("seen")}: ${t(verdict)}</span>`;
}

const Counts = ({ rows }) => html`<${Table} label=${t("rowsByTable")} columns=${[t("table"), t("rows")]}
  rows=${Object.entries(rows).map(([name, count]) => [name, number(count)])} />`;

const Failed = ({ failed }) => failed.length > 0 && html`<div className="dv-note dv-bad">
  <strong>${t("failedTests")}</strong>
  <ul>${failed.map((test) => html`<li key=${test.name}>
    ${test.name}: ${t("rowsCount", { n: number(test.rows ?? 0) })}${test.sample.length > 0 && `, ${t("example", { keys: test.sample.join("; ") })}`}
  </li>`)}</ul>
</div>`;

function Launch({ launch }) {
  const again = launch.launch > 1 ? ` · ${t("relaunch", { n: launch.launch })}` : "";
  return html`<div className="dv-launch">
    <h3>${t("attempt", { n: launch.try })}${again} <${Badge} color=${COLORS[launch.outcome] ?? (launch.outcome === "running" ? "blue" : "red")}>${launch.outcome}<//></h3>
    ${launch.reason && html`<p className="dv-note dv-bad">${launch.reason}</p>`}
    <${Phases} phases=${launch.phases} />
    <dl className="dv-facts">
      <${Fact} name=${t("release")}>${launch.release}<//>
      <${Fact} name=${t("image")}>${launch.module} ${launch.tag}<//>
      <${Fact} name=${t("digest")}><${Digest} launch=${launch} /><//>
      <${Fact} name=${t("size")}>${size(launch)} <span className="dv-muted">${launch.why_size}</span><//>
      <${Fact} name=${t("peak")}>${launch.peak == null ? "–" : memory(launch.peak)}<//>
      <${Fact} name=${t("capacity")}>${launch.capacity}<//>
      <${Fact} name=${t("seconds")}>${duration(launch.seconds)}<//>
      <${Fact} name=${t("cost")}>${money(launch.cost)}<//>
      <${Fact} name=${t("tests")}>${t("testsOk", { n: launch.checks.passed })}<//>
      <${Fact} name=${t("exit")}>${launch.exit_code ?? "–"}<//>
      <${Fact} name=${t("command")}><code>${launch.command.join(" ")}</code><//>
    </dl>
    <${Failed} failed=${launch.checks.failed} />
    ${Object.keys(launch.rows).length > 0 && html`<details><summary>${t("rowsByTable")}</summary><${Counts} rows=${launch.rows} /></details>`}
  </div>`;
}

const Task = ({ data, task }) => html`<section className="dv-section">
  <h2>${task.id}${task.map_index < 0 ? "" : `[${task.map_index}]`} <${State} state=${task.state} /> <small>${duration(task.seconds)}</small></h2>
  <p><${Link} to=${logPage(data.pipeline, data.id, task)}>${t("openLog")}<//></p>
  ${task.launches.map((launch) => html`<${Launch} key=${`${launch.try}/${launch.launch}`} launch=${launch} />`)}
  ${!task.launches.length && html`<p className="dv-muted">${t("noContainer")}</p>`}
</section>`;

function Run({ dag, run, task, mapIndex }) {
  const answer = useAnswer(`runs/${of(dag, run)}`);
  const wanted = (item) => !task || (item.id === task && item.map_index === Number(mapIndex ?? -1));
  return html`<${Loaded} answer=${answer}>
    ${(data) => html`
      ${!task && html`<header className="dv-head"><div>
        <h1>${moment(data.due)} <${State} state=${data.state} /></h1>
        <p className="dv-muted">${WORD.kinds[data.kind] ?? data.kind}${data.user && ` ${t("by", { who: data.user })}`} ·
          ${" "}${t("release")} ${data.release ?? "–"} · ${duration(data.seconds)} · ${money(data.cost)}</p>
      </div>
      ${data.tasks.some((item) => item.launches.some((launch) => launch.report)) && html`<a className="dv-button dv-main" target="_blank" rel="noopener"
        href=${new URL(`runs/${of(dag, run)}/report`, HOME).href}>${t("openReport")}</a>`}
      </header>
      <${Failed} failed=${data.failed} />`}
      ${data.tasks.filter(wanted).map((item) => html`<${Task} key=${`${item.id}/${item.map_index}`} data=${data} task=${item} />`)}
    `}
  <//>`;
}

function TaskTrend({ dag, task }) {
  const answer = useAnswer(`tasks/${of(dag, task)}`);
  return html`<${Loaded} answer=${answer}>
    ${(data) => {
      const summaries = Object.fromEntries(data.runs.map((run) => [run.id, { cost: run.cost }]));
      const columns = ["when", "state", "release", "seconds", "cost", "peak", "size"].map((key) => t(key));
      const rows = data.runs.map((run) => [
        html`<${Link} to=${runPage(dag, run.id)}>${moment(run.due)}<//>`,
        html`<${State} state=${run.state} />`,
        run.release ?? "–",
        duration(run.seconds),
        money(run.cost),
        run.peak == null ? "–" : memory(run.peak),
        size(run),
      ]);
      return html`<header className="dv-head"><h1>${task}</h1></header>
        ${data.advice && html`<${Advice} advice=${{ [task]: data.advice }} />`}
        <${Section} title=${t("trend")}>
          ${data.runs.length ? html`<${Chart} runs=${data.runs} summaries=${summaries} /><${Table} label=${t("runs")} columns=${columns} rows=${rows} />`
            : html`<p className="dv-muted">${t("noContainer")}</p>`}
        <//>`;
    }}
  <//>`;
}

const Path = ({ dag, run }) => html`<nav aria-label=${t("title")}>
  <${Link} to=${TOP}>${t("all")}<//>${run && html` / <${Link} to=${pipelinePage(dag)}>${dag}<//>`}
</nav>`;

function view(dag, run, task, mapIndex) {
  if (!dag) return html`<${Pipelines} />`;
  if (!dag.startsWith("pipeline_")) return html`<p>${t("notAPipeline")}</p>`;
  if (run) return html`<${Run} key=${run} dag=${dag} run=${run} task=${task} mapIndex=${mapIndex} />`;
  return task ? html`<${TaskTrend} dag=${dag} task=${task} />` : html`<${Pipeline} key=${dag} dag=${dag} />`;
}

/** What Airflow shows in the navigation (the address then says more), and as a tab of each DAG, run, task and task instance. */
function DataVision({ dagId, runId, taskId, mapIndex }) {
  const below = (useParams()["*"] ?? "").split("/").filter(Boolean).map(decodeURIComponent);
  alone = !dagId;
  const [dag, run] = alone ? below : [dagId, runId];
  return html`<div className="dv-page" lang=${LANGUAGE}>
    <style>${STYLE}</style>
    ${alone && dag && html`<${Path} dag=${dag} run=${run} />`}
    ${view(dag, run, taskId, mapIndex)}
  </div>`;
}

globalThis.AirflowPlugin = DataVision;
