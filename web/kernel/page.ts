// The page on which the kernel is stepped: what is chosen, pressed and drawn. The kernel runs in a worker.

import { byId, element, endOfWorker, messageOf } from '../dom.ts'
import { drawSource, drawSpace, drawSteps } from './draw.ts'
import type {
  Answer,
  Ask,
  Bad,
  Catalogue,
  Choice,
  CpuState,
  Explored,
  Question,
  State,
  Stride,
} from './protocol.ts'

const verdict = byId('verdict')
const scenario = byId<HTMLSelectElement>('scenario')
const design = byId<HTMLSelectElement>('design')
const rwsem = byId<HTMLSelectElement>('rwsem')
const published = byId<HTMLInputElement>('published')
const flaw = byId<HTMLSelectElement>('flaw')

const FIRST = { scenario: 'fault-munmap', design: 'lespinasse-2021', rwsem: 'xadd', published: false }
const sources = fetch(new URL('kernel-source.json', document.baseURI)).then(
  (response) => response.json() as Promise<Readonly<Record<string, string>>>,
)

let worker = startWorker()
let isReady = false
/** It does nothing any more: another is started where the reader chooses something. */
let hasEnded = false
const unsent: Question[] = []
let catalogue: Catalogue | null = null
let state: State | null = null
/** The interleaving that is being followed. */
let planned: Bad | null = null
/** The question that is not answered yet: the worker does one thing at a time. */
let asked = 0
let questions = 0

function ask(question: Ask): void {
  asked = ++questions
  document.body.setAttribute('aria-busy', 'true')
  unsent.push({ ...question, id: asked })
  if (isReady) send()
  byId('stop').hidden = question.kind !== 'explore' && question.kind !== 'bad'
  enable()
}

/** A worker hears nothing while its modules are loaded: what is asked before it has said its first word waits here. */
function send(): void {
  for (const question of unsent.splice(0)) worker.postMessage(question)
}

function startWorker(): Worker {
  const started = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  started.addEventListener('message', ({ data }: MessageEvent<Answer>) => hear(data))
  started.addEventListener('error', (event) => {
    hasEnded = true
    state = null
    say(endOfWorker(event), 'bad')
    notBusy()
    enable()
  })
  return started
}

function notBusy(): void {
  asked = 0
  document.body.removeAttribute('aria-busy')
  byId('stop').hidden = true
}

/** What the worker is at is not wanted any more: it looks at no messages before it is done. */
function restartWorker(): void {
  worker.terminate()
  unsent.length = 0
  isReady = false
  hasEnded = false
  worker = startWorker()
}

/** Leaves the search, and everything else as it is. */
function stop(): void {
  const schedule = state?.schedule ?? []
  restartWorker()
  ask({ kind: 'open', choice: choiceNow() })
  ask({ kind: 'at', schedule })
}

function choiceNow(): Choice {
  return {
    scenario: scenario.value,
    design: design.value,
    rwsem: rwsem.value,
    published: published.checked,
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// What is chosen

function offer(known: Catalogue): void {
  catalogue = known
  scenario.replaceChildren(...known.scenarios.map((name) => element('option', {}, name)))
  design.replaceChildren(...known.designs.map(({ name }) => element('option', {}, name)))
  const flaws = known.flaws.flatMap(({ design: of, race, sentence, scenarios }, index) =>
    scenarios.map((name) =>
      element('option', { value: `${index} ${name}` }, `${of}, ${race}, ${name}: ${sentence}`),
    ),
  )
  flaw.replaceChildren(element('option', { value: '' }, 'choose one to see it happen'), ...flaws)
  choose({ ...FIRST, ...linked(known) })
}

/** What the address of the page says after its `#`. */
function linked({ scenarios, designs }: Catalogue): Partial<Choice> {
  const said = new URLSearchParams(location.hash.slice(1))
  const known = { scenario: scenarios, design: designs.map(({ name }) => name) }
  return {
    ...(known.scenario.includes(said.get('scenario') ?? '') && { scenario: said.get('scenario')! }),
    ...(known.design.includes(said.get('design') ?? '') && { design: said.get('design')! }),
    ...([...rwsem.options].some(({ value }) => value === said.get('rwsem')) && { rwsem: said.get('rwsem')! }),
    published: said.get('published') === 'true',
  }
}

function choose(choice: Choice): void {
  scenario.value = choice.scenario
  design.value = choice.design
  rwsem.value = choice.rwsem
  published.checked = choice.published
  open()
}

function open(): void {
  if (catalogue === null) return
  if (asked !== 0 || hasEnded) restartWorker()
  const choice = choiceNow()
  const entries = Object.entries(choice).map(([key, value]) => [key, String(value)])
  history.replaceState(null, '', `#${new URLSearchParams(Object.fromEntries(entries)).toString()}`)
  const known = catalogue.designs.find(({ name }) => name === choice.design)!
  const errors = catalogue.flaws
    .filter(({ design: of, scenarios }) => of === choice.design && scenarios.includes(choice.scenario))
    .map(({ race, sentence }) => ` Its error here, as it was published (${race}): ${sentence}.`)
  const about = `${choice.design}: ${known.author}, ${known.year}. ${known.source}.`
  byId('about').textContent = choice.published ? about + errors.join('') : about
  state = null
  plan(null)
  ask({ kind: 'open', choice })
}

for (const control of [scenario, design, rwsem, published])
  control.addEventListener('change', () => {
    flaw.value = ''
    open()
  })
flaw.addEventListener('change', () => {
  if (flaw.value === '') return
  const [index, name] = flaw.value.split(' ')
  choose({ scenario: name!, design: catalogue!.flaws[Number(index)]!.design, rwsem: 'xadd', published: true })
  // The worker takes one question after the other, and this one is of the scenario that is being opened.
  ask({ kind: 'bad' })
})

// ---------------------------------------------------------------------------------------------------------------------
// What is pressed

function advance(cpu: number, stride: Stride): void {
  if (state?.cpus[cpu]?.enabled === true) ask({ kind: 'advance', schedule: state.schedule, cpu, stride })
}

function goTo(schedule: readonly number[]): void {
  ask({ kind: 'at', schedule })
}

/** Where the plan goes on from here; -1 where the reader has left it, or it is at its end. */
function planAt(): number {
  if (state === null || planned === null || state.verdict !== null) return -1
  const { schedule } = state
  const isOn = schedule.every((cpu, step) => planned!.schedule[step] === cpu)
  return isOn && schedule.length < planned.schedule.length ? schedule.length : -1
}

function planStep(): void {
  if (planAt() >= 0) goTo(planned!.schedule.slice(0, planAt() + 1))
}

function planSwitch(): void {
  const at = planAt()
  if (at < 0) return
  const { schedule } = planned!
  let to = at + 1
  while (to < schedule.length && schedule[to] === schedule[at]) to++
  goTo(schedule.slice(0, to))
}

function plan(bad: Bad | null): void {
  planned = bad
  byId('plan').hidden = bad === null
}

const actions: Readonly<Record<string, () => void>> = {
  undo: () => state !== null && state.schedule.length > 0 && goTo(state.schedule.slice(0, -1)),
  restart: () => goTo([]),
  explore: () => ask({ kind: 'explore' }),
  bad: () => ask({ kind: 'bad' }),
  'plan-step': planStep,
  'plan-switch': planSwitch,
  'plan-end': () => planned !== null && goTo(planned.schedule),
  stop,
}
const keys: Readonly<Record<string, string>> = {
  u: 'undo',
  Backspace: 'undo',
  r: 'restart',
  e: 'explore',
  b: 'bad',
  n: 'plan-step',
  N: 'plan-switch',
  m: 'plan-end',
}
for (const [id, act] of Object.entries(actions)) byId(id).addEventListener('click', act)

addEventListener('keydown', (event) => {
  const { key, target } = event
  if (key === 'Escape' && !byId('stop').hidden) stop()
  if (event.ctrlKey || event.altKey || event.metaKey || asked !== 0) return
  if (target instanceof HTMLSelectElement || target instanceof HTMLInputElement) return
  const digit = /^Digit([0-9])$/.exec(event.code)?.[1] ?? /^[0-9]$/.exec(key)?.[0]
  const button = keys[key]
  if (digit === undefined && button === undefined) return
  event.preventDefault()
  if (digit !== undefined) advance(Number(digit), event.shiftKey ? 'end' : 'step')
  else if (!byId<HTMLButtonElement>(button!).disabled && byId(button!).closest('[hidden]') === null)
    actions[button!]!()
})

// ---------------------------------------------------------------------------------------------------------------------
// What is drawn

function enable(): void {
  const busy = asked !== 0
  const at = planAt()
  const usable: Readonly<Record<string, boolean>> = {
    undo: state !== null && state.schedule.length > 0,
    restart: state !== null && state.schedule.length > 0,
    explore: state !== null,
    bad: state !== null,
    'plan-step': at >= 0,
    'plan-switch': at >= 0,
    'plan-end': planned !== null,
  }
  for (const [id, isUsable] of Object.entries(usable))
    byId<HTMLButtonElement>(id).disabled = busy || !isUsable
  for (const button of document.querySelectorAll<HTMLButtonElement>('#cpus button'))
    button.disabled = busy || button.dataset['enabled'] !== 'true'
}

function say(text: string, mood: 'good' | 'bad' | '' = ''): void {
  verdict.className = `verdict ${mood}`.trim()
  verdict.textContent = text
}

async function draw(now: State): Promise<void> {
  const before = state
  state = now
  // A button that has the focus is replaced by its like.
  const focused = document.activeElement?.getAttribute('data-key') ?? null
  byId('cpus').replaceChildren(...now.cpus.map((cpu) => drawCpu(cpu, now.verdict === null)))
  if (focused !== null) document.querySelector<HTMLElement>(`[data-key="${focused}"]`)?.focus()
  byId('space').replaceChildren(drawSpace(now.space, before?.space ?? null))
  const steps = byId('steps')
  steps.replaceChildren(drawSteps(now))
  steps.scrollTop = steps.scrollHeight
  tellState(now)
  const shown = await sources.then(
    (files) => drawSource(now.cpus, files),
    (error: unknown) => `The sources could not be loaded: ${messageOf(error)}`,
  )
  if (state === now) byId('source').replaceChildren(shown)
}

function tellState({ schedule, verdict: ended }: State): void {
  const steps = `${schedule.length} ${schedule.length === 1 ? 'step' : 'steps'}`
  if (ended === null) {
    const done =
      planAt() >= 0
        ? `${schedule.length} of the ${planned!.schedule.length} steps that lead to the failure`
        : steps
    say(`${done}. Press the number of a CPU for its next step, with Shift to let it run as far as it can.`)
  } else if (ended.holds) {
    say(
      `Holds: after ${steps} all CPUs have finished. Some order of the calls gives their results, and no memory is lost.`,
      'good',
    )
  } else say(`Fails after ${steps}: ${ended.kind}: ${ended.message}`, 'bad')
}

const stateWords: Readonly<Record<CpuState['state'], string>> = {
  ready: 'can take a step',
  spins: 'spins until something that it has read changes',
  waits: 'sleeps until it is woken',
  stopped: 'has not finished',
  finished: 'has finished',
}

function drawCpu(cpu: CpuState, goesOn: boolean): HTMLElement {
  const strides: readonly (readonly [Stride, string, string])[] = [
    ['step', 'Step ', String(cpu.id)],
    ['function', 'To the next function', ''],
    ['end', 'Run as far as it can ', `Shift ${cpu.id}`],
  ]
  const buttons = strides.map(([stride, text, key]) => {
    const button = element(
      'button',
      {
        type: 'button',
        'data-key': `${cpu.id} ${stride}`,
        'data-enabled': String(cpu.enabled && goesOn),
      },
      text,
      key === '' ? null : element('kbd', {}, key),
    )
    button.addEventListener('click', () => advance(cpu.id, stride))
    return button
  })
  return element(
    'article',
    { class: `cpu of${cpu.id}` },
    element('h2', {}, `CPU ${cpu.id} `),
    element('p', {}, stateWords[cpu.state]),
    element('p', {}, 'next: ', cpu.next === null ? '–' : element('code', {}, cpu.next.source)),
    element('p', { class: 'faint' }, cpu.calls.length === 0 ? ' ' : cpu.calls.join(' › ')),
    element('div', { class: 'buttons' }, ...buttons),
  )
}

function tellExplored({ verdict: found, executions, redundant, steps, message, schedule }: Explored): void {
  const counts = `${executions.toLocaleString('en')} interleavings, of which ${redundant.toLocaleString('en')} repeat others, ${steps.toLocaleString('en')} steps`
  if (found === 'pass') say(`Holds under every interleaving: ${counts}.`, 'good')
  else if (found === 'incomplete') say(`The time ran out; nothing has failed so far: ${counts}.`)
  else say(`Fails after ${counts}: ${message}. Its steps can be taken one by one.`, 'bad')
  if (schedule !== null) plan({ schedule, preemptions: 0, message })
}

function tellBad(bad: Bad | null, isComplete: boolean): void {
  plan(bad)
  if (bad !== null) goTo([])
  else if (isComplete) say('All interleavings were explored, and none of them fails.', 'good')
  else say('The time ran out; none of the interleavings that were explored fails.')
}

function hear(answer: Answer): void {
  if (answer.kind === 'catalogue') {
    isReady = true
    if (catalogue === null) offer(answer.catalogue)
    send()
    return
  }
  if (answer.kind === 'progress') {
    say(`Exploring: ${answer.text}`)
    return
  }
  if (answer.id === asked) notBusy()
  if (answer.kind === 'state') void draw(answer.state)
  else if (answer.kind === 'explored') tellExplored(answer.explored)
  else if (answer.kind === 'bad') tellBad(answer.bad, answer.isComplete)
  else say(answer.message, 'bad')
  enable()
}
