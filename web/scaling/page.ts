// The page of the simulator: a setting, the runs that it asks for, and the chart of those that are there.
//
// A run depends on its setting and on nothing else, so each is kept: to move a slider back costs nothing.

import type { SimulatedRun } from '../../src/simulate/findings.ts'
import { byId, element, messageOf } from '../dom.ts'
import { type Drawn, ScalingChart, ratesOf } from './chart.ts'
import { Pool } from './pool.ts'
import type { Answers, Catalogue, DesignAndRwsem, Setting } from './protocol.ts'

const FIRST_WORKLOAD = 'page_fault1'
const FIRST_MACHINE = 'skylake-2s'
const FIRST_DESIGNS = ['classic', 'lespinasse-2021', 'per-vma-refcount-2025']
/** Of the numbers of CPUs, the slider begins here: what takes long is asked for. */
const FIRST_CPUS = 16

const workload = byId<HTMLSelectElement>('workload')
const machine = byId<HTMLSelectElement>('machine')
const rwsem = byId<HTMLSelectElement>('rwsem')
const seed = byId<HTMLInputElement>('seed')
const slider = byId<HTMLInputElement>('cpus')
const status = byId('status')

const pool = new Pool()
const chart = new ScalingChart(byId('chart'))
const kept = new Map<string, SimulatedRun>()
/** The setting that is wanted, by number. */
let wanted = 0
let plan: Answers['plan'] = { curves: [], cpus: [] }

function settingNow(): Setting {
  const ticked = [...document.querySelectorAll<HTMLInputElement>('#designs input:checked')]
  return {
    workload: workload.value,
    machine: machine.value,
    designs: ticked.map(({ value }) => value),
    rwsem: rwsem.value,
    seed: Number(seed.value),
  }
}

function offer({ workloads, machines, designs }: Catalogue): void {
  workload.replaceChildren(
    ...workloads.map(({ name, description }) => element('option', { value: name, title: description }, name)),
  )
  machine.replaceChildren(
    ...machines.map(({ name, title, cpus }) => {
      return element('option', { value: name }, `${name}: ${title}, ${cpus} CPUs`)
    }),
  )
  const ticks = designs.map((name) => {
    const tick = element('input', { type: 'checkbox', value: name })
    tick.checked = FIRST_DESIGNS.includes(name)
    return element('label', { class: 'tick' }, tick, name)
  })
  byId('designs').append(...ticks)
  workload.value = FIRST_WORKLOAD
  machine.value = FIRST_MACHINE
}

/** The runs of a setting: those that are kept, and the others one after the other, with few CPUs first. */
async function show(isWanted: () => boolean): Promise<void> {
  const setting = settingNow()
  if (setting.designs.length === 0 || !seed.checkValidity()) {
    document.body.removeAttribute('aria-busy')
    status.textContent = setting.designs.length === 0 ? 'Choose a design.' : 'The seed is a whole number.'
    return
  }
  document.body.setAttribute('aria-busy', 'true')
  const most = plan.cpus[Number(slider.value)] ?? FIRST_CPUS
  plan = await pool.ask({ kind: 'plan', setting })
  if (!isWanted()) return
  setSlider(most)
  const cpus = plan.cpus.slice(0, Number(slider.value) + 1)
  byId('cpus-said').textContent = cpus.length === 0 ? 'too few' : String(cpus.at(-1))
  const wantedRuns = cpus.flatMap((count) => plan.curves.map((curve) => ({ curve, count })))
  const { counts } = await pool.ask({ kind: 'tell', setting, runs: [] })
  const keyOf = (curve: DesignAndRwsem, count: number): string =>
    JSON.stringify([setting.workload, setting.machine, setting.seed, curve, count])
  const there = (): SimulatedRun[] =>
    plan.curves.flatMap((curve) => cpus.flatMap((count) => kept.get(keyOf(curve, count)) ?? []))
  const drawAll = (): void => {
    const runs = there()
    chart.draw({ curves: plan.curves, cpus, runs, counts })
    const left = wantedRuns.length - runs.length
    status.textContent =
      left === 0 ? `${runs.length} runs.` : `${left} of ${wantedRuns.length} runs are to come …`
  }
  drawAll()
  const missing = wantedRuns.filter(({ curve, count }) => !kept.has(keyOf(curve, count)))
  await Promise.all(
    missing.map(async ({ curve, count }) => {
      const run = await pool.ask({ kind: 'run', setting, curve, cpus: count }, isWanted)
      kept.set(keyOf(curve, count), run)
      if (isWanted()) drawAll()
    }),
  )
  const { text } = await pool.ask({ kind: 'tell', setting, runs: there() })
  if (!isWanted()) return
  byId('text').textContent = text
  byId('command').textContent = commandOf(setting, cpus)
  byId('table').replaceChildren(tableOf({ curves: plan.curves, cpus, runs: there(), counts }))
  document.body.removeAttribute('aria-busy')
}

function setSlider(most: number): void {
  slider.max = String(Math.max(0, plan.cpus.length - 1))
  slider.disabled = false
  const at = plan.cpus.findLastIndex((count) => count <= most)
  slider.value = String(Math.max(0, at))
  slider.setAttribute('aria-valuetext', `${plan.cpus[Number(slider.value)] ?? 0} CPUs`)
}

/** What gives the same on the command line. */
function commandOf(
  { workload: name, machine: on, designs, rwsem: of, seed: from }: Setting,
  cpus: readonly number[],
) {
  const options = [`--machine ${on}`, `--cpus ${cpus.join(',')}`, `--design ${designs.join(',')}`]
  return `faultline simulate ${[name, ...options, `--rwsem ${of}`, `--seed ${from}`].join(' ')}`
}

function tableOf(drawn: Drawn): HTMLElement {
  const { curves, cpus, counts } = drawn
  const rates = ratesOf(drawn)
  const head = ['CPUs', ...curves.map(({ design, rwsem: of }) => `${design}/${of}`)]
  return element(
    'table',
    {},
    element('caption', {}, `${counts} per second, in virtual time`),
    element(
      'thead',
      {},
      element('tr', {}, ...head.map((name) => element('th', { class: 'n', scope: 'col' }, name))),
    ),
    element(
      'tbody',
      {},
      ...cpus.map((count, row) =>
        element(
          'tr',
          {},
          element('th', { class: 'n', scope: 'row' }, String(count)),
          ...rates.map((curve) => element('td', { class: 'n' }, (curve[row] ?? 0).toFixed(0))),
        ),
      ),
    ),
  )
}

function showOrSay(): void {
  const own = ++wanted
  show(() => own === wanted).catch((error: unknown) => {
    // What else was asked for ends with it: else it would say how much is to come, and never come to it.
    if (own === wanted) fail(error)
  })
}

function fail(error: unknown): void {
  wanted++
  document.body.removeAttribute('aria-busy')
  status.textContent = messageOf(error)
}

pool.ask({ kind: 'catalogue' }).then((catalogue) => {
  offer(catalogue)
  byId('setting').addEventListener('input', showOrSay)
  showOrSay()
}, fail)
