// Published packages with what is checked of each, and what is to be found: docs/packages.md says the same.

/** What `faultline check` is to say. */
type Expected = 'every interleaving' | 'bounded' | 'incomplete' | 'fail' | 'refused'

export interface Row {
  /** With their versions; the first is the one that it is about. */
  readonly packages: readonly string[]
  /** In the folder scripts: the main thread of a process, or a check, if its name says so. */
  readonly file: string
  readonly what: string
  readonly expected: Expected
  /** Of a failure or a refusal: what its text contains. */
  readonly finding?: string
  /** Further arguments of `faultline check`. */
  readonly options?: readonly string[]
}

const row = (packages: string, file: string, expected: Expected, what: string, more?: Partial<Row>): Row => ({
  packages: packages.split(' '),
  file,
  expected,
  what,
  ...more,
})

/** It notes so many times that to try, at each, that time has passed takes too long. */
const notesTimes = { options: ['--timeouts', '2'] }

/** Shared memory. */
const memory = [
  row('sharedmap@1.2.0', 'sharedmap.check.mjs', 'every interleaving', '`set` beside `get` of one key'),
  row(
    'nanolith@0.4.6',
    'nanolith.check.mjs',
    'every interleaving',
    'two threads count in its `SharedMap`, with `set` of a function',
  ),
  row('nanolith@0.4.6', 'nanolith-together.check.mjs', 'fail', 'two calls of `set` in one thread at once', {
    finding: 'deadlock',
  }),
  row(
    'asymmetric-io-mutex@0.9.1',
    'asymmetric-io-mutex.check.mjs',
    'fail',
    'a thread writes a field, another reads under the lock',
    { finding: 'a reader has the lock of a writer' },
  ),
  row('@woven-ecs/core@1.0.7', 'woven-ecs.check.mjs', 'every interleaving', 'two threads add an entity each'),
  row(
    '@daneren2005/shared-memory-objects@0.0.4',
    'shared-memory-objects.check.mjs',
    'fail',
    '`readLock` in two threads beside `writeLock` in one',
    { finding: 'a writer beside a reader' },
  ),
]

/** Pools and calls of Workers. */
const workers = [
  row('synckit@0.12.3', 'synckit.mjs', 'every interleaving', 'one call of a function of `createSyncFn`'),
  row(
    'make-synchronous@2.1.0',
    'make-synchronous.mjs',
    'every interleaving',
    'two calls, one after the other',
  ),
  row(
    'tinypool@2.2.0',
    'tinypool.mjs',
    'every interleaving',
    'one task in a pool of one thread, `destroy()`',
  ),
  row('piscina@5.3.2', 'piscina.mjs', 'every interleaving', 'one task in a pool of one thread, `destroy()`'),
  row(
    'workerpool@10.0.3',
    'workerpool.mjs',
    'every interleaving',
    'one call in a pool of one thread, `terminate()`',
  ),
  row(
    'jest-worker@30.5.1',
    'jest-worker.mjs',
    'every interleaving',
    'one call with `enableWorkerThreads`, `end()`',
  ),
  row('threads@1.7.0', 'threads.mjs', 'every interleaving', '`spawn`, a call, `Thread.terminate`'),
  row(
    '@chainsafe/threads@1.11.1',
    'chainsafe-threads.mjs',
    'every interleaving',
    '`spawn`, a call, `Thread.terminate`',
  ),
  row(
    '@xylabs/threads@5.1.3',
    'xylabs-threads.mjs',
    'every interleaving',
    '`spawn`, a call, `Thread.terminate`',
  ),
  row(
    '@fideus-labs/worker-pool@1.0.0',
    'fideus-worker-pool.mjs',
    'every interleaving',
    'two tasks in a pool of one, `onIdle()`',
  ),
  row('web-worker@1.5.0', 'web-worker.mjs', 'every interleaving', 'a message to a module Worker, its answer'),
  row('@eshaz/web-worker@1.2.2', 'eshaz-web-worker.mjs', 'every interleaving', 'the same'),
  row(
    '@rushstack/worker-pool@0.7.26',
    'rushstack-worker-pool.cjs',
    'every interleaving',
    'a Worker is checked out, answers, is checked in; `finishAsync()`',
  ),
  row(
    'node-worker-threads-pool@1.5.1',
    'node-worker-threads-pool.cjs',
    'every interleaving',
    'one call of a function in a `StaticPool`, `destroy()`',
  ),
  row('okie@1.0.1', 'okie.cjs', 'every interleaving', 'one call of a function, `stop()`'),
  row('artichokie@0.4.5', 'artichokie.mjs', 'fail', 'a call that calls back into the main thread', {
    finding: 'Error: timed-out',
  }),
  row('worktank@3.0.2', 'worktank.mjs', 'every interleaving', 'one call in a pool of one, `terminate()`'),
  row('isoworker@0.2.4', 'isoworker.cjs', 'every interleaving', 'one call of a function with what it names'),
  row(
    '@wordpress/worker-threads@1.16.0 web-worker@1.5.0',
    'wordpress-worker-threads.mjs',
    'every interleaving',
    'one call over `wrap` and `expose`',
  ),
  row(
    'promise-worker@2.0.1 web-worker@1.5.0',
    'promise-worker.mjs',
    'every interleaving',
    'a question, an answer',
  ),
  row('bree@9.2.9', 'bree.cjs', 'refused', 'one job', { finding: 'promise of the engine' }),
  row('multee@0.2.4', 'multee.cjs', 'every interleaving', 'one call of a handler, `terminate()`'),
  row('threadedclass@1.4.1', 'threadedclass.cjs', 'fail', 'one call of a method, `destroyAll()`', {
    finding: 'Timeout: Kill child process',
  }),
  row(
    '@quilted/threads@4.1.0',
    'quilted-threads.mjs',
    'every interleaving',
    'one call over a `MessageChannel`',
  ),
  row('regexp-worker@4.3.0', 'regexp-worker.mjs', 'fail', '`matchAll` with a time-out, `dispose()`', {
    finding: 'Request Timeout',
  }),
  row('paralleljs@1.1.0', 'paralleljs.cjs', 'refused', '`map` of two values', { finding: 'fork()' }),
  row('thread-stream@4.2.1', 'thread-stream.mjs', 'fail', '`write` and `end` with `sync: true`', {
    options: ['--bound', '1'],
    finding: 'end() took too long (10s)',
  }),
]

/** Coordination within a thread: every order of what happens later. */
const within = [
  row(
    'p-queue@10.0.0',
    'p-queue.mjs',
    'every interleaving',
    'two tasks, each a message to a Worker and its answer',
  ),
  row('p-queue@10.0.0', 'p-queue-signal.mjs', 'every interleaving', 'a task that waits is aborted'),
  row('p-limit@7.3.3', 'p-limit.mjs', 'every interleaving', 'three tasks, one at a time'),
  row(
    'async-mutex@0.5.0',
    'async-mutex.mjs',
    'every interleaving',
    '`Mutex` and `Semaphore`, three tasks each',
  ),
  row('async-lock@1.5.0', 'async-lock.mjs', 'every interleaving', 'three tasks with a time-out'),
  row('async-sema@3.1.1', 'async-sema.mjs', 'every interleaving', 'three tasks, `drain()`'),
  row('await-lock@3.0.0', 'await-lock.mjs', 'every interleaving', 'two tasks count'),
  row('await-semaphore@0.1.3', 'await-semaphore.mjs', 'every interleaving', 'three tasks, two at a time'),
  row('@livekit/mutex@1.1.1', 'livekit-mutex.mjs', 'every interleaving', 'two tasks'),
  row('mutex-ts@1.0.3', 'mutex-ts.mjs', 'every interleaving', 'two tasks count'),
  row('mutexify@1.4.0', 'mutexify.cjs', 'every interleaving', 'callbacks and promises'),
  row('semaphore@1.1.0', 'semaphore.cjs', 'every interleaving', 'three tasks'),
  row('locks@0.2.2', 'locks.cjs', 'every interleaving', '`Mutex` and `CondVariable`'),
  row('rwlock@5.0.0', 'rwlock.cjs', 'every interleaving', 'two readers and a writer'),
  row('rwmutex@1.0.0', 'rwmutex.mjs', 'every interleaving', 'two readers and a writer'),
  row('async-rwlock@1.1.1', 'async-rwlock.mjs', 'every interleaving', 'two readers and a writer'),
  row(
    '@rocicorp/lock@2.0.1',
    'rocicorp-lock.mjs',
    'every interleaving',
    '`RWLock`, two readers and a writer',
  ),
  row('superlock@1.3.5', 'superlock.cjs', 'every interleaving', 'three tasks, one at a time'),
  row('@openally/mutex@2.0.0', 'openally-mutex.mjs', 'every interleaving', 'three tasks, two at a time'),
  row(
    'mortice@3.3.1',
    'mortice.mjs',
    'every interleaving',
    'three readers and a writer, `--timeouts 2`',
    notesTimes,
  ),
  row('fastq@1.20.3', 'fastq.mjs', 'every interleaving', 'promises and callbacks, `drained()`'),
  row('async@3.2.6', 'async.mjs', 'every interleaving', '`queue`, `parallelLimit`'),
  row('bottleneck@2.19.5', 'bottleneck.mjs', 'every interleaving', 'two jobs, one at a time'),
  row('p-map@7.1.1', 'p-map.mjs', 'every interleaving', '`pMap` and `pMapIterable`, two at a time'),
  row('p-throttle@8.1.1', 'p-throttle.mjs', 'every interleaving', 'two calls'),
  row(
    'p-retry@9.0.0 p-timeout@8.0.0 p-event@7.1.1',
    'p-retry.mjs',
    'every interleaving',
    'with p-timeout 8.0.0 and p-event 7.1.1',
  ),
  row(
    '@supercharge/promise-pool@3.3.0',
    'promise-pool.mjs',
    'every interleaving',
    'three tasks, two at a time, one fails',
  ),
  row('bluebird@3.7.2', 'bluebird.cjs', 'every interleaving', '`map`, `delay`, `promisify`'),
  row('rxjs@7.8.2', 'rxjs.mjs', 'every interleaving', '`concatMap`, `interval`, `merge`, `timer`'),
  row('emittery@2.2.0', 'emittery.mjs', 'every interleaving', '`emit`, `once`, `events`'),
  row(
    'eventemitter3@5.0.4 mitt@3.0.1 nanoevents@10.0.0',
    'events-small.mjs',
    'every interleaving',
    'with mitt 3.0.1, nanoevents 10.0.0',
  ),
  row('dataloader@2.2.3', 'dataloader.mjs', 'every interleaving', 'three loads are one batch'),
  row('lru-cache@11.5.3', 'lru-cache.mjs', 'every interleaving', 'two `fetch` of one key'),
  row('keyv@6.1.0', 'keyv.mjs', 'every interleaving', '`set`, `get`, `has`, `delete`'),
  row(
    'generic-pool@3.9.0',
    'generic-pool.cjs',
    'every interleaving',
    'two users of one resource, `drain()`, `--timeouts 2`',
    notesTimes,
  ),
  row('tarn@3.1.2', 'tarn.cjs', 'every interleaving', 'two users of one resource, `destroy()`'),
  row('opossum@10.0.0', 'opossum.mjs', 'every interleaving', 'a call through the breaker'),
  row('cockatiel@4.0.0', 'cockatiel.mjs', 'every interleaving', '`retry`, `bulkhead`'),
  row('avvio@9.3.1', 'avvio.cjs', 'every interleaving', 'two plugins, `--timeouts 2`', notesTimes),
  row(
    'broadcast-channel@7.4.0',
    'broadcast-channel.mjs',
    'every interleaving',
    'a message between two channels',
  ),
  row('jsonbird@3.1.0', 'jsonbird.cjs', 'every interleaving', 'one call over a `MessageChannel`'),
  row('pino@10.4.0', 'pino.cjs', 'every interleaving', 'two lines'),
  row(
    '@calebboyd/semaphore@1.3.1',
    'calebboyd-semaphore.mjs',
    'every interleaving',
    'three tasks, one at a time',
  ),
  row('@chalker/queue@1.0.1', 'chalker-queue.mjs', 'every interleaving', 'three tasks, two at a time'),
  row(
    '@chriscdn/promise-semaphore@3.1.2',
    'chriscdn-promise-semaphore.mjs',
    'every interleaving',
    '`Semaphore`, two tasks; `GroupSemaphore`, three',
  ),
  row(
    '@esfx/async-mutex@1.0.0 @esfx/async-queue@1.0.0 @esfx/async-semaphore@1.0.0',
    'esfx-async.mjs',
    'every interleaving',
    'with @esfx/async-queue and @esfx/async-semaphore, three tasks',
  ),
  row(
    'async-await-mutex-lock@1.0.12',
    'async-await-mutex-lock.mjs',
    'every interleaving',
    'three tasks, two keys',
  ),
  row(
    'async-cache-dedupe@3.4.0',
    'async-cache-dedupe.mjs',
    'every interleaving',
    'two questions are asked once',
  ),
  row('async-throttle@1.1.0', 'async-throttle.cjs', 'every interleaving', 'three tasks, two at a time'),
  row('await-mutex@1.0.2', 'await-mutex.cjs', 'every interleaving', 'three tasks'),
  row('@hazae41/mutex@3.0.1', 'hazae41-mutex.mjs', 'every interleaving', 'three tasks count'),
  row(
    '@henrygd/queue@1.2.0 @henrygd/semaphore@0.1.0',
    'henrygd-queue.mjs',
    'every interleaving',
    'with @henrygd/semaphore 0.1.0, three tasks, two at a time',
  ),
  row('@yornaath/batshit@0.14.0', 'batshit.mjs', 'every interleaving', 'two questions are one batch'),
  row(
    '@zcong/singleflight@0.3.1',
    'singleflight.mjs',
    'every interleaving',
    'three questions are asked once',
  ),
  row(
    'es6-promise-pool@2.5.0',
    'es6-promise-pool.cjs',
    'every interleaving',
    'three promises, two at a time',
  ),
  row('limiter@4.1.0', 'limiter.mjs', 'every interleaving', 'two tokens, one after the other'),
  row('p-debounce@5.1.1', 'p-debounce.mjs', 'every interleaving', 'three calls are one'),
  row('p-memoize@9.0.0', 'p-memoize.mjs', 'every interleaving', 'two calls at once, and a third'),
  row(
    'promise-pool-executor@2.0.0',
    'promise-pool-executor.cjs',
    'every interleaving',
    'three tasks, two at a time',
  ),
  row('queue@7.0.0', 'queue.mjs', 'every interleaving', 'three tasks, two at a time'),
]

export const table: readonly Row[] = [...memory, ...workers, ...within]
