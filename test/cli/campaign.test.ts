// The campaign command, as a process; and what runs it on a cluster.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { JobResult } from '../../src/campaign/job.ts'
import { command } from '../built.ts'
import { faultline, refusals } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-cli-campaign-'))
after(() => rmSync(folder, { recursive: true }))
const examples = fileURLToPath(new URL('../../examples/campaigns/', import.meta.url))
const file = (name: string): string => join(folder, name)
const rwsems = ['generic', 'xadd', 'writer-spinning', 'reader-spinning', 'spinning']

const tiny = file('tiny.json')
writeFileSync(
  tiny,
  JSON.stringify({ name: 'tiny', jobs: [{ check: ['refcount'], designs: ['classic'], rwsems: 'all' }] }),
)

function rwsemOf({ job }: JobResult): string | null {
  return 'rwsem' in job ? job.rwsem : null
}

describe('campaign', () => {
  it('prints an object a line, with the keys that are relied upon, and a page', async () => {
    const [page, store] = [file('tiny.html'), file('tiny.sqlite')]
    const values = ['campaign', tiny, '--store', store, '--workers', '1']
    const { code, stdout, stderr } = await faultline([...values, '--json', '--output', page])
    assert.deepEqual([code, stderr], [0, ''])
    const results = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as JobResult)
    assert.deepEqual(results.map(rwsemOf), rwsems)
    const [first] = results
    assert.deepEqual(Object.keys(first!), ['key', 'job', 'result', 'seconds'])
    const jobKeys = ['kind', 'scenario', 'design', 'rwsem', 'rss', 'published', 'steps']
    assert.deepEqual(Object.keys(first!.job), jobKeys)
    const resultKeys = ['verdict', 'complete', 'bound', 'executions', 'steps', 'timeouts', 'turns', 'failure']
    assert.deepEqual(Object.keys(first!.result), resultKeys)
    assert.match(readFileSync(page, 'utf8'), /^<!doctype html>[^]*<h1>tiny<\/h1>/)
    const text = await faultline(values)
    assert.equal(text.code, 0)
    const { length } = rwsems
    assert.match(text.stdout, new RegExp(`^tiny: ${length} jobs, .* of computing, nothing fails\\n`))
    assert.match(text.stdout, new RegExp(`^ {2}refcount {4}${length} of ${length} +\\d+$`, 'm'))
  })

  it('does shares, which are put together', async () => {
    const [campaign, own] = [file('two.json'), rwsems.slice(0, 2)]
    const jobs = [{ check: ['refcount'], designs: ['classic'], rwsems: own }]
    writeFileSync(campaign, JSON.stringify({ name: 'two', jobs }))
    const shares = own.map((rwsem) => file(`share-${rwsem}.sqlite`))
    for (const [index, share] of shares.entries()) {
      const values = ['campaign', campaign, '--shard', `${index + 1}/2`, '--store', share, '--json']
      const { stdout } = await faultline(values)
      assert.deepEqual(rwsemOf(JSON.parse(stdout) as JobResult), own[index])
    }
    const { stdout } = await faultline(['campaign', campaign, '--merge', ...shares, '--json'])
    assert.equal(stdout, (await faultline(['campaign', campaign, '--merge', ...shares, '--json'])).stdout)
    assert.equal(stdout.trim().split('\n').length, 2)
  })

  it('ends in order at Ctrl-C, and says how to go on', async () => {
    const [campaign, store] = [file('long.json'), file('long.sqlite')]
    writeFileSync(campaign, JSON.stringify({ name: 'long', jobs: [{ check: 'all', steps: 1e12 }] }))
    const child = spawn(process.execPath, [command, 'campaign', campaign, '--store', store, '--workers', '1'])
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const watcher = watch(folder)
    // It has begun when it writes results.
    const ended = once(child, 'exit') as Promise<[number | null, string | null]>
    while (child.exitCode === null && !existsSync(`${store}-wal`))
      await Promise.race([once(watcher, 'change'), ended])
    watcher.close()
    child.kill('SIGINT')
    const [, signal] = await ended
    assert.equal(signal, 'SIGINT')
    assert.equal(stderr, `faultline: stopped — the same command continues from ${store}\n`)
    assert.equal(existsSync(`${store}-wal`), false)
  })

  it('refuses what makes no sense', async () => {
    writeFileSync(file('wrong.json'), '{"name":"wrong","jobs":[{"check":["refcont"]}]}')
    writeFileSync(file('unlike.json'), '{"name":"unlike","jobs":[{"check":["qqqq"]}]}')
    const calls = [
      [['campaign', file('unlike.json')], /scenario 'qqqq' — There is fault-fault, .{1,900} and \d+ more\n$/],
      [['campaign'], /there is no campaign — give its file/],
      [['campaign', file('nowhere.json')], /nowhere\.json.* — check the path/],
      [['campaign', file('wrong.json')], /unknown scenario 'refcont' — did you mean 'refcount'\?/],
      [['campaign', tiny, '--workers', '0'], /--workers 0 is not usable/],
      [['campaign', tiny, '--shard', '4/3'], /--shard 4 is not usable/],
      [['campaign', tiny, '--store', tiny], /is not a store/],
      [['campaign', tiny, '--queue', 'localhost'], /--queue localhost is not usable — give it as redis:/],
      [['campaign', tiny, '--queue', 'redis://a', '--workers', '1'], /--workers does not go with --queue/],
      [['campaign', '--work'], /--work needs a queue/],
      [['campaign', tiny, '--work', '--queue', 'redis://a'], /--work takes no campaign/],
      [['campaign', '--work', '--queue', 'redis://a', '--json'], /--json does not go with --work/],
      [['campaign', tiny, '--until-over'], /--until-over is for --work/],
      [['campaign', tiny, '--files', folder], /--files is for --work/],
      [['campaign', '--work', '--queue', 'redis://a', '--files', tiny], /--files .* is not a folder/],
      [
        ['campaign', tiny, '--queue', 'redis://127.0.0.1:1'],
        /the queue at redis:.* does not answer: .* — start/,
      ],
    ] as const
    const outcomes = await refusals(calls.map(([values]) => values))
    for (const [number, { code, stdout, stderr }] of outcomes.entries()) {
      assert.match(stderr, calls[number]![1])
      assert.deepEqual([code, stdout, stderr.trim().split('\n').length], [2, '', 1], stderr)
    }
  })
})

describe('what runs campaigns on a cluster', () => {
  it('calls the command as it can be called: Slurm', async () => {
    // In place of npx, which tells how it was called.
    writeFileSync(file('npx'), '#!/bin/sh\nprintf "%s\\n" "$@"\n')
    chmodSync(file('npx'), 0o755)
    const environment = {
      ...process.env,
      PATH: `${folder}:${process.env['PATH']}`,
      SLURM_CPUS_PER_TASK: '1',
      SLURM_ARRAY_TASK_ID: '2',
      SLURM_ARRAY_TASK_COUNT: '3',
    }
    const printed = execFileSync('sh', [join(examples, 'slurm.sh'), tiny], {
      env: environment,
      encoding: 'utf8',
    })
    const [name, ...values] = printed.trim().split('\n')
    assert.equal(name, 'faultline')
    const place = values.indexOf('--store') + 1
    assert.equal(values[place], 'share-2.sqlite')
    values[place] = file('slurm.sqlite')
    const { code, stdout } = await faultline(values)
    assert.equal(code, 0)
    const share = rwsems.filter((_, index) => index % 3 === 1)
    assert.match(stdout, new RegExp(`^tiny: ${share.length} jobs`))
  })

  it('calls the command as it can be called: Kubernetes', async () => {
    const manifest = readFileSync(join(examples, 'kubernetes.yaml'), 'utf8')
    const lists = [...manifest.matchAll(/args:\s*(\[campaign,.*?\]|\n(?: +- .*\n)+)/g)].map(
      ([, list]) => list!,
    )
    assert.equal(lists.length, 2)
    const root = fileURLToPath(new URL('../..', import.meta.url))
    // Nobody answers there, which is found out after all else was found right.
    const calls = lists.map((list) =>
      list
        .split(/[[\],\n]/)
        .map((word) => word.replace(/^ *(- )?/, ''))
        .filter((word) => word !== '')
        .map((word) => word.replace('/faultline/', root).replace('/results/', `${folder}/`))
        .map((word) => word.replace('faultline-queue:6379', '127.0.0.1:1')),
    )
    for (const { code, stderr } of await refusals(calls)) {
      assert.equal(code, 2)
      assert.match(stderr, /the queue at redis:\/\/127\.0\.0\.1:1 does not answer/)
    }
  })
})
