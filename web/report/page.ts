// The page of a recording: a file is dropped or chosen, or two to compare, read in a worker, and the report shown in a
// frame that can reach nothing.

import { byId, endOfWorker, messageOf } from '../dom.ts'
import type { Answer, Question } from './protocol.ts'

let worker: Worker | null = null
const status = byId('status')
const chooser = byId<HTMLInputElement>('file')
const earlier = byId<HTMLInputElement>('before')
const drop = byId('drop')
let frame = byId<HTMLIFrameElement>('report')
const save = byId<HTMLAnchorElement>('save')

let asked = 0
let file: File | null = null
let before: File | null = null

function read(): void {
  if (file === null) return
  asked++
  document.body.setAttribute('aria-busy', 'true')
  // What is there is of other recordings.
  frame.hidden = true
  save.hidden = true
  say(
    before === null
      ? `Reading ${file.name} …`
      : `Comparing ${file.name} with ${before.name}, the earlier one …`,
  )
  worker ??= startWorker()
  worker.postMessage({ id: asked, file, before } satisfies Question)
}

function startWorker(): Worker {
  const started = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  started.addEventListener('message', ({ data }: MessageEvent<Answer>) => hear(data))
  started.addEventListener('error', (event) => {
    worker = null
    document.body.removeAttribute('aria-busy')
    say(endOfWorker(event), 'bad')
  })
  return started
}

function say(text: string, mood: 'good' | 'bad' | '' = ''): void {
  status.className = `verdict ${mood}`.trim()
  status.textContent = text
}

/** Two files that come together are before and after a change: the older is the earlier one. */
function take(files: readonly File[]): void {
  if (files.length > 2)
    return say('These are more than two files: drop one recording, or two to compare.', 'bad')
  const [older, newer] = files.toSorted((a, b) => a.lastModified - b.lastModified)
  chooser.value = ''
  earlier.value = ''
  file = newer ?? older ?? null
  before = newer === undefined ? null : older!
  read()
}

for (const input of [chooser, earlier]) {
  input.addEventListener('change', () => {
    // One that was dropped stays, to be compared with what is chosen now.
    file = chooser.files?.[0] ?? file
    before = earlier.files?.[0] ?? null
    if (file === null && before !== null) say(`Choose the recording that ${before.name} is compared with.`)
    read()
  })
}
// Wherever on the page it is dropped: a browser would open it in place of the page.
addEventListener('dragover', (event) => {
  event.preventDefault()
  drop.classList.add('over')
})
addEventListener('dragleave', () => drop.classList.remove('over'))
addEventListener('drop', (event) => {
  event.preventDefault()
  drop.classList.remove('over')
  take([...(event.dataTransfer?.files ?? [])])
})

byId('sample').addEventListener('click', async () => {
  const path = 'sample.perf.txt.gz'
  try {
    const response = await fetch(new URL(path, document.baseURI))
    if (!response.ok) throw new Error(response.statusText)
    take([new File([await response.blob()], path)])
  } catch (error) {
    say(`The recording could not be loaded: ${messageOf(error)}`, 'bad')
  }
})

function hear(data: Answer): void {
  if (data.id !== asked) return
  if (data.kind === 'progress') {
    say(`Reading ${data.name}: ${data.lines.toLocaleString('en')} lines …`)
    return
  }
  document.body.removeAttribute('aria-busy')
  if (data.kind === 'failed') say(data.message, 'bad')
  else {
    say(before === null ? data.summary : `${before.name}, then ${file!.name}: ${data.summary}`)
    show(data.page)
  }
}

function show(page: string): void {
  // An origin of its own: the scripts of the report see nothing of this page. A new frame each time, as Chromium
  // draws nothing in one that was hidden and gets another document.
  const fresh = frame.cloneNode() as HTMLIFrameElement
  fresh.srcdoc = page
  fresh.hidden = false
  frame.replaceWith(fresh)
  frame = fresh
  URL.revokeObjectURL(save.href)
  save.href = URL.createObjectURL(new Blob([page], { type: 'text/html' }))
  save.download = `${[before, file].flatMap((one) => (one === null ? [] : plainName(one))).join('-')}.html`
  save.hidden = false
}

function plainName({ name }: File): string {
  return name.replace(/(\.perf)?(\.txt)?(\.(gz|zst))?$/, '')
}
