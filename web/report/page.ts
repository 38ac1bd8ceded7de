// The page of a recording: a file is dropped or chosen, read in a worker, and its report shown in a frame that can
// reach nothing.

import { byId } from '../dom.ts'
import type { Answer } from './protocol.ts'

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
const status = byId('status')
const chooser = byId<HTMLInputElement>('file')
const drop = byId('drop')
const frame = byId<HTMLIFrameElement>('report')
const save = byId<HTMLAnchorElement>('save')

let asked = 0
let name = ''

function read(file: File): void {
  name = file.name
  asked++
  document.body.setAttribute('aria-busy', 'true')
  say(`Reading ${name} …`)
  worker.postMessage({ id: asked, file })
}

function say(text: string, mood: 'good' | 'bad' | '' = ''): void {
  status.className = `verdict ${mood}`.trim()
  status.textContent = text
}

chooser.addEventListener('change', () => {
  const file = chooser.files?.[0]
  if (file !== undefined) read(file)
})
// Wherever on the page it is dropped: a browser would open it in place of the page.
addEventListener('dragover', (event) => {
  event.preventDefault()
  drop.classList.add('over')
})
addEventListener('dragleave', () => drop.classList.remove('over'))
addEventListener('drop', (event) => {
  event.preventDefault()
  drop.classList.remove('over')
  const file = event.dataTransfer?.files[0]
  if (file !== undefined) read(file)
})

byId('sample').addEventListener('click', async () => {
  const path = 'sample.perf.txt.gz'
  const response = await fetch(new URL(path, document.baseURI))
  read(new File([await response.blob()], path))
})

worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
  if (data.id !== asked) return
  if (data.kind === 'progress') {
    say(`Reading ${name}: ${data.lines.toLocaleString('en')} lines …`)
    return
  }
  document.body.removeAttribute('aria-busy')
  if (data.kind === 'failed') say(data.message, 'bad')
  else {
    say(data.verdict.summary)
    show(data.page)
  }
})
worker.addEventListener('error', ({ message }) => say(`The worker has ended: ${message}`, 'bad'))

function show(page: string): void {
  // An origin of its own: the scripts of the report see nothing of this page.
  frame.srcdoc = page
  frame.hidden = false
  URL.revokeObjectURL(save.href)
  save.href = URL.createObjectURL(new Blob([page], { type: 'text/html' }))
  save.download = `${name.replace(/(\.perf)?(\.txt)?(\.(gz|zst))?$/, '')}.html`
  save.hidden = false
}
