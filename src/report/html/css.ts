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
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.6rem; border-bottom: 1px solid var(--grid);
  overflow-wrap: break-word; min-width: 4rem; }
thead th { color: var(--faint); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 500; overflow-wrap: anywhere; min-width: 8rem; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
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
details { margin: 0.6rem 0; }
summary { cursor: pointer; }
footer { margin-top: 3rem; color: var(--faint); font-size: 0.85rem; }
@media print { nav, .help, .readout { display: none; } body { max-width: none; } }
`
