// An object store that worker threads share: people in a list, which any of them extends and all of them read.
import { AddressSpace, Machine, defineRecord } from 'faultline/memory'
import { once } from 'node:events'
import { Worker, isMainThread, threadId, workerData } from 'node:worker_threads'

const Person = defineRecord({ id: 'uint32', next: 'reference', name: 24 })

if (isMainThread) {
  const heap = Machine.create({ memory: '16MiB', cpus: 4 }).createAddressSpace().createHeap()
  const shared = { space: heap.space.handle, heap: heap.address }
  const workers = [1, 2, 3].map(() => new Worker(new URL(import.meta.url), { workerData: shared }))
  await Promise.all(workers.map((worker) => once(worker, 'exit')))
  let [people, sum] = [0, 0]
  for (let at = heap.root; at !== 0; at = Person.at(heap, at).next, people++) sum += Person.at(heap, at).id
  console.log(`${people} people, with ids of ${sum} in all, in ${heap.usage().blocks} blocks`)
} else {
  const heap = AddressSpace.attach(workerData.space).openHeap(workerData.heap)
  for (let id = 0; id < 1000; id++) {
    const person = Person.create(heap, { id, name: Buffer.from(`${id} of ${threadId}`) })
    // Published by one atomic operation, as the list may have become longer meanwhile.
    do person.next = heap.root
    while (heap.compareExchangeRoot(person.next, person.address) !== person.next)
  }
}
