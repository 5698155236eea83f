// Colors are Airflow's (Chakra's variables), so that theme and dark mode are those of the page around.
const hue = (name) => `
.dv-page .dv-${name} { background: var(--chakra-colors-${name}-subtle); color: var(--chakra-colors-${name}-fg); }
.dv-page .dv-fill-${name} { background: var(--chakra-colors-${name}-solid); fill: var(--chakra-colors-${name}-solid); }`;

export const STYLE = `
.dv-page { padding: 1rem; color: var(--chakra-colors-fg); font-size: 0.875rem; line-height: 1.5; max-width: 90rem; }
.dv-page h1 { font-size: 1.25rem; font-weight: 600; }
.dv-page h2 { font-size: 1rem; font-weight: 600; }
.dv-page h3 { font-size: 0.875rem; font-weight: 600; margin: 0.5rem 0; }
.dv-page a:not(.dv-button) { color: var(--chakra-colors-fg-info, var(--chakra-colors-blue-fg)); text-decoration: underline; }
.dv-page ul { list-style: disc; padding-left: 1.25rem; }
.dv-page code, .dv-page pre { font-family: var(--chakra-fonts-mono, monospace); font-size: 0.8125rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.dv-page .dv-muted { color: var(--chakra-colors-fg-muted); }
.dv-page .dv-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.dv-page nav { margin-bottom: 0.5rem; }
.dv-head { display: flex; flex-wrap: wrap; gap: 0.75rem; justify-content: space-between; align-items: flex-start; margin-bottom: 1rem; }
.dv-cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); }
.dv-card, .dv-section { border: 1px solid var(--chakra-colors-border); border-radius: 0.5rem; padding: 1rem; }
.dv-card > header { display: flex; justify-content: space-between; gap: 0.5rem; align-items: center; margin-bottom: 0.5rem; }
.dv-section { margin-top: 1rem; }
.dv-fact { display: flex; gap: 0.75rem; padding: 0.125rem 0; }
.dv-fact dt { flex: 0 0 8.5rem; color: var(--chakra-colors-fg-muted); }
.dv-fact dd { min-width: 0; overflow-wrap: anywhere; }
.dv-facts { display: grid; column-gap: 2rem; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); }
.dv-badge { display: inline-block; padding: 0 0.5rem; border-radius: 999px; font-size: 0.75rem; font-weight: 500; }
.dv-note { padding: 0.5rem 0.75rem; border-radius: 0.375rem; margin: 0.5rem 0; overflow-wrap: anywhere; }
.dv-page .dv-bad { color: var(--chakra-colors-red-fg); }
.dv-page .dv-note.dv-bad { background: var(--chakra-colors-red-subtle); }
.dv-strip { display: flex; gap: 3px; align-items: flex-end; height: 40px; margin-top: 0.75rem; list-style: none; }
.dv-strip a { display: block; padding-top: 4px; }
.dv-bar { display: block; width: 14px; border-radius: 2px; }
.dv-marks { display: inline-flex; gap: 2px; align-items: flex-end; height: 16px; }
.dv-level-none { width: 8px; height: 3px; }
.dv-level-ok { width: 8px; height: 8px; }
.dv-level-warn { width: 8px; height: 12px; }
.dv-level-fail { width: 8px; height: 16px; }
.dv-name { display: inline-block; min-width: 11rem; overflow-wrap: anywhere; }
.dv-scroll { overflow-x: auto; margin: 0.5rem 0; }
.dv-page table { border-collapse: collapse; width: 100%; }
.dv-page th { text-align: left; font-weight: 500; color: var(--chakra-colors-fg-muted); white-space: nowrap; }
.dv-page th, .dv-page td { padding: 0.25rem 1rem 0.25rem 0; border-bottom: 1px solid var(--chakra-colors-border); vertical-align: top; }
.dv-chart { max-width: 100%; height: auto; max-height: 12rem; display: block; }
.dv-chart text { fill: var(--chakra-colors-fg-muted); font-size: 10px; }
.dv-line { fill: none; stroke: var(--chakra-colors-fg); stroke-width: 1.5; }
.dv-mark { stroke: var(--chakra-colors-fg-muted); stroke-dasharray: 3 3; }
.dv-launch { border-top: 1px solid var(--chakra-colors-border); margin-top: 0.5rem; }
.dv-phases { display: flex; height: 12px; border-radius: 3px; overflow: hidden; gap: 1px; max-width: 40rem; }
.dv-phases span { min-width: 2px; flex-basis: 0; }
.dv-legend span { margin-right: 1rem; white-space: nowrap; }
.dv-legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; }
.dv-phase-queued { background: var(--chakra-colors-gray-solid); }
.dv-phase-launching { background: var(--chakra-colors-yellow-solid); }
.dv-phase-pulling { background: var(--chakra-colors-orange-solid); }
.dv-phase-running { background: var(--chakra-colors-green-solid); }
.dv-button { display: inline-block; padding: 0.25rem 0.75rem; border: 1px solid var(--chakra-colors-border); border-radius: 0.375rem; font-weight: 500; cursor: pointer; }
.dv-page .dv-main { background: var(--chakra-colors-blue-700); border-color: transparent; color: white; }
.dv-button:disabled { opacity: 0.5; cursor: default; }
.dv-page :is(a, button, input, select, summary, .dv-scroll):focus-visible { outline: 2px solid var(--chakra-colors-blue-focus-ring, #3182ce); outline-offset: 2px; }
.dv-page :is(input, select) { border: 1px solid var(--chakra-colors-border-emphasized); border-radius: 0.375rem; padding: 0.25rem 0.5rem; background: var(--chakra-colors-bg); color: inherit; max-width: 100%; }
.dv-page input { display: block; width: 100%; }
.dv-dialog { margin: auto; width: min(40rem, calc(100vw - 2rem)); max-height: calc(100vh - 2rem); overflow: auto; padding: 1.25rem; border-radius: 0.5rem; border: 1px solid var(--chakra-colors-border); background: var(--chakra-colors-bg-panel); color: var(--chakra-colors-fg); }
.dv-dialog::backdrop { background: rgb(0 0 0 / 50%); }
.dv-dialog p { margin: 0.5rem 0; }
.dv-buttons { display: flex; justify-content: flex-end; gap: 0.5rem; }
.dv-page .dv-steps { max-height: 10rem; overflow: auto; list-style: decimal; padding-left: 1.5rem; }
${["green", "red", "orange", "yellow", "blue", "gray"].map(hue).join("")}
`;
