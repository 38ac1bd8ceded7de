// The style of a page: one column, light and dark as the reader's system is, and for paper.

/** Colours are told apart by lightness too, and text stands out from its ground by 4.5:1 at least, in both. */
export const css = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --panel: #f4f5f7; --text: #1b1f24; --faint: #57606a; --grid: #d8dee4; --link: #0550ae;
  --wait: #c2410c; --write: #1d4ed8; --read: #5b9bd5; --plain: #6b7280; --good: #116329; --bad: #a40e26;
  --heat: 194, 65, 12;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1318; --panel: #191f27; --text: #e6edf3; --faint: #9aa5b1; --grid: #30363d; --link: #79b8ff;
    --wait: #fb923c; --write: #60a5fa; --read: #a5cdf5; --plain: #9ca3af; --good: #56d364; --bad: #ff7b72;
    --heat: 251, 146, 60;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
a { color: var(--link); }
h1 { font-size: 1.5rem; margin: 0.5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.6rem; border-bottom: 1px solid var(--grid); }
h3 { font-size: 1rem; margin: 1.2rem 0 0.4rem; }
/* What is out of sight is laid out when it comes into sight: that keeps every task short. */
section { content-visibility: auto; contain-intrinsic-size: auto 30rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.2rem 1rem; list-style: none; padding: 0; margin: 0; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; background: var(--ground); padding: 0.3rem; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 1px; }
.verdict { background: var(--panel); border-left: 0.4rem solid var(--faint); padding: 0.8rem 1rem;
  font-size: 1.1rem; }
.verdict.good { border-color: var(--good); }
.verdict.notable { border-color: var(--wait); }
.verdict.bad { border-color: var(--bad); }
.mood { font-size: 0.8rem; text-transform: uppercase; letter-spacing: 0.05em; color: var(--faint);
  margin-right: 0.5rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 0.4rem 1.5rem; margin: 0; }
.facts dt { color: var(--faint); font-size: 0.85rem; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: 0.8rem 0; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
caption { text-align: left; color: var(--faint); padding: 0.3rem 0; }
.wide caption { position: sticky; left: 0; max-width: calc(100vw - 2.5rem); }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.6rem; border-bottom: 1px solid var(--grid);
  overflow-wrap: break-word; min-width: 4rem; }
thead th { color: var(--faint); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 500; overflow-wrap: anywhere; min-width: 8rem; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
@media (max-width: 40rem) {
  th, td, tbody th { padding: 0.25rem 0.3rem; min-width: 2.5rem; }
  tbody th { min-width: 6rem; }
  thead th { white-space: normal; }
  .wide .bar { min-width: 2.5rem; }
  .prose thead { display: none; }
  .prose tr { display: block; padding: 0.6rem 0; border-bottom: 1px solid var(--grid); }
  .prose tbody th, .prose td { display: block; border: 0; padding: 0; margin: 0 0 0.3rem; text-align: left;
    white-space: normal; }
  .prose tbody th { font-weight: 600; }
  .prose td::before { content: attr(data-of) ': '; color: var(--faint); }
}
small { color: var(--faint); }
code { font: 0.85em ui-monospace, monospace; }
.bar { display: block; min-width: 7rem; }
.c-wait { fill: var(--wait); } .c-write { fill: var(--write); }
.c-read { fill: var(--read); } .c-plain { fill: var(--plain); }
.whisker { fill: var(--text); }
.key { display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; color: var(--faint); font-size: 0.9rem; }
.matrix td { border: 1px solid var(--grid); }
${[1, 2, 3, 4, 5, 6, 7, 8].map((step) => `.heat${step} { background: rgba(var(--heat), ${(0.05 + step * 0.055).toFixed(3)}); }`).join('\n')}
.matrix small { color: var(--text); }
.chart { min-height: 10rem; margin: 0.5rem 0; }
.chart[hidden] { display: none; }
.readout { min-height: 1.5em; margin: 0; font-variant-numeric: tabular-nums; }
.help { color: var(--faint); font-size: 0.85rem; margin: 0; }
.flame { display: block; margin: 0.5rem 0; }
.frame { cursor: pointer; }
.frame:focus { outline: none; }
.frame:focus-visible rect { stroke: var(--text); stroke-width: 3; }
.frame text { fill: #14171a; font: 12px system-ui, sans-serif; pointer-events: none; }
.frame rect { stroke: var(--ground); }
.f0 { fill: #b8c0c8; } .f1 { fill: #f7b267; } .f2 { fill: #f4a259; }
.f3 { fill: #f6c28b; } .f4 { fill: #eeb47a; } .f5 { fill: #f9cf9f; }
/* Of a check: the steps, and the source beside them. */
body:has(#steps) { max-width: none; }
#steps { content-visibility: visible; }
.said { white-space: pre-wrap; }
.command { display: block; padding: 0.4rem 0.6rem; background: var(--panel); overflow-wrap: anywhere;
  user-select: all; }
.steps { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 1.5rem; align-items: start; }
.trace { position: relative; margin: 0; }
/* The legend of a chart is a table of uPlot's own. */
.u-legend th, .u-legend td { border-bottom: 0; }
.trace th, .trace td { border-bottom: 0; padding: 0.1rem 1.2rem 0.1rem 0.3rem; min-width: 0; font-size: 0.85rem; }
.trace thead th { border-bottom: 1px solid var(--grid); }
.trace tbody th { text-align: right; font-variant-numeric: tabular-nums; min-width: 2rem; overflow-wrap: normal; }
.trace .place, .trace .what { font: 0.95em ui-monospace, monospace; }
.trace .place { white-space: nowrap; }
.trace .own { border-left: 3px solid var(--read); background: var(--panel); }
.trace .call .what { color: var(--faint); }
.trace .what { display: inline-block; }
.trace .switch td, .trace .repeat td { color: var(--wait); border-top: 1px dashed var(--grid); }
.trace .repeat td { border-top: 0; }
.trace .broken td { color: var(--bad); border-top: 2px solid var(--bad); overflow-wrap: anywhere; }
.trace tr.row { cursor: pointer; }
.trace tr[aria-current] > * { background: rgba(var(--heat), 0.2); }
.arrows { position: absolute; left: 0; top: 0; pointer-events: none; }
.arrow { fill: none; stroke: var(--write); stroke-width: 1.2; opacity: 0.55; }
.arrow.wakes { stroke: var(--wait); stroke-dasharray: 5 3; }
.arrow .head { fill: var(--write); stroke: none; }
.arrow.wakes .head { fill: var(--wait); }
.arrow.chosen { stroke-width: 2.4; opacity: 1; }
.source { position: sticky; top: 0.5rem; max-height: calc(100vh - 1rem); overflow: auto; background: var(--panel);
  padding: 0 0.6rem 0.6rem; }
.source h3 { margin: 0.6rem 0 0.2rem; overflow-wrap: anywhere; }
.line { display: grid; grid-template-columns: 3.2rem 3.4rem auto; white-space: pre; }
.line code, .line .number, .line .at { font: 12px/1.5 ui-monospace, monospace; }
.line .number, .gap { color: var(--faint); text-align: right; padding-right: 0.8rem; }
.line .at { color: var(--wait); }
.gap { width: 3.2rem; }
.line.marked code { font-weight: 600; }
.line.now, .line:target { background: rgba(var(--heat), 0.3); }
${Array.from({ length: 17 }, (_, depth) => `.trace .d${depth} { padding-left: ${(0.4 + depth * 0.7).toFixed(1)}rem; }`).join('\n')}
@media (max-width: 70rem) { .steps { display: block; } .source { max-height: 45vh; top: auto; bottom: 0; } }
details { margin: 0.6rem 0; }
summary { cursor: pointer; }
footer { margin-top: 3rem; color: var(--faint); font-size: 0.85rem; }
@media print {
  nav, .help, .readout { display: none; } body { max-width: none; }
  .steps { display: block; } .source { position: static; max-height: none; } .trace tr, .line { break-inside: avoid; }
}
`
