// What of a description of a machine is refused, and what it may leave out.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MachineRefused } from '../../src/simulate/check-machine.ts'
import { checkMachine, findMachine, machines } from '../../src/simulate/index.ts'

const skylake = findMachine('skylake-2s')!

/** What is wrong with a description: one entry for each. */
function wrong(description: unknown): string[] {
  try {
    checkMachine(description, 'mine.mjs')
  } catch (error) {
    assert.ok(error instanceof MachineRefused)
    assert.match(error.message, /^mine\.mjs: /)
    assert.match(error.remedy, /A machine of your own/)
    return error.message.slice('mine.mjs: '.length).split('; ')
  }
  return []
}

describe('a description of a machine', () => {
  it('is right if it is one of ours', () => {
    for (const machine of machines) assert.deepEqual(checkMachine(machine, machine.name), machine)
  })

  it('is an object', () => {
    assert.deepEqual(wrong(undefined), ['exports no machine as default'])
    for (const value of [null, 5, 'skylake-2s', [skylake]]) assert.deepEqual(wrong(value), ['is no machine'])
  })

  it('is told all that is missing at once', () => {
    const { name, topology, clearing, ...rest } = skylake
    const { remoteNs, ...latency } = rest.latency
    assert.deepEqual(wrong({ ...rest, latency }), [
      'name is no text',
      'topology is missing',
      'latency.remoteNs is missing',
      'clearing is missing',
    ])
    assert.deepEqual([name, topology.sockets, clearing.hotNs, remoteNs], ['skylake-2s', 2, 201, 141.4])
    const first = wrong({ name: 'mine', topology: { sockets: 1, numa: 2 } })
    assert.ok(first.includes('topology.coresPerGroup is missing'))
    assert.ok(first.includes('software is missing'))
    assert.ok(first.includes('topology.numa means nothing'))
  })

  it('is told of names that mean nothing, with the one that was meant', () => {
    const { residencyNs, ...rest } = skylake
    assert.deepEqual(wrong({ ...rest, residencyNS: residencyNs, cpus: 4 }), [
      "residencyNS means nothing, did you mean 'residencyNs'?",
      'cpus means nothing',
      'residencyNs is missing',
    ])
    assert.deepEqual(wrong({ ...skylake, topology: { ...skylake.topology, coresPerGroups: 8 } }), [
      "topology.coresPerGroups means nothing, did you mean 'coresPerGroup'?",
    ])
    assert.deepEqual(wrong({ ...skylake, rwsem: 'spin', protocol: 'MOSI' }), [
      'there is no protocol MOSI: one of MESI, MESIF, MOESI',
      'there is no rwsem spin: one of generic, xadd, writer-spinning, reader-spinning, spinning',
    ])
  })

  it('is told of numbers that no machine has: negative ones, none, and those of another unit', () => {
    const numbers = (changed: object): string[] => wrong({ ...skylake, ...changed })
    const latency = (changed: object): string[] => numbers({ latency: { ...skylake.latency, ...changed } })
    assert.deepEqual(latency({ groupNs: -48 }), ['latency.groupNs is -48: nanoseconds, from 1 to 100000'])
    assert.deepEqual(latency({ groupNs: 48e-9, memoryNs: '81' }), [
      'latency.groupNs is 4.8e-8: nanoseconds, from 1 to 100000',
      "latency.memoryNs is '81': nanoseconds, from 1 to 100000",
    ])
    assert.deepEqual(numbers({ lastLevelBytes: 38.5, bandwidthPerSocket: 105e9, smtFactor: Number.NaN }), [
      'lastLevelBytes is 38.5: bytes, from 32768 to 1099511627776',
      'bandwidthPerSocket is 105000000000: bytes a nanosecond, which is GB/s, from 0.01 to 10000',
      'smtFactor is NaN: times, from 1 to 16',
    ])
    assert.deepEqual(numbers({ topology: { ...skylake.topology, sockets: 1.5 } }), [
      'topology.sockets is 1.5: a whole number, from 1 to 256',
    ])
    assert.deepEqual(numbers({ topology: { ...skylake.topology, sockets: 16 } }), [
      'it has more than 256 CPUs',
    ])
    assert.deepEqual(numbers({ broadcastsTlb: 1 }), ['broadcastsTlb is 1, and not true or false'])
  })

  it('has as many speeds as a socket has cores, and none is faster than the fastest', () => {
    const pixel6 = findMachine('pixel-6')!
    const speeds = (coreSpeeds: unknown): string[] => wrong({ ...pixel6, coreSpeeds })
    assert.deepEqual(speeds(pixel6.coreSpeeds), [])
    assert.deepEqual(speeds([1, 0.5]), ['coreSpeeds is no list of 8 numbers, one for each core of a socket'])
    assert.deepEqual(speeds(pixel6.coreSpeeds!.with(3, 1.2).with(0, 0)), [
      'coreSpeeds[0] is 0: above 0 and at most 1, which is the fastest',
      'coreSpeeds[3] is 1.2: above 0 and at most 1, which is the fastest',
    ])
  })
})

describe('a description that extends a machine', () => {
  const own = {
    extends: 'skylake-2s',
    name: 'mine',
    title: 'a box',
    source: 'lscpu',
    topology: { sockets: 1, coresPerGroup: 8 },
    latency: { groupNs: 47 },
  }

  it('says only what differs', () => {
    const machine = checkMachine(own, 'mine.mjs')
    const { fitted, name, title, source, topology, latency, ...rest } = machine
    const { fitted: ofBase, topology: shape, latency: table, ...base } = skylake
    assert.deepEqual({ ...rest, name: base.name, title: base.title, source: base.source }, base)
    assert.deepEqual([name, title, source], ['mine', 'a box', 'lscpu'])
    assert.deepEqual(topology, { ...shape, sockets: 1, coresPerGroup: 8 })
    assert.deepEqual(latency, { ...table, groupNs: 47 })
    // What was fitted, was so on rows of the other machine.
    assert.deepEqual([fitted, Object.keys(ofBase).length > 0], [{}, true])
  })

  it('says whose the other numbers are, where it has no source of its own', () => {
    const { source: _, ...rest } = own
    const { source } = checkMachine(rest, 'mine.mjs')
    assert.equal(source, `a description of one's own; else as skylake-2s: ${skylake.source}`)
  })

  it('is told what is wrong as any other', () => {
    assert.deepEqual(wrong({ ...own, extends: 'skylak-2s' }), [
      "there is no machine 'skylak-2s' that it could extend, did you mean 'skylake-2s'?",
    ])
    assert.deepEqual(wrong({ ...own, latency: { groupNS: 47 }, topology: 8 }), [
      "latency.groupNS means nothing, did you mean 'groupNs'?",
      'topology is missing',
    ])
  })

  it('has no speeds of other cores', () => {
    const { coreSpeeds } = findMachine('pixel-6')!
    const phone = { ...own, extends: 'pixel-6' }
    assert.equal(checkMachine(phone, 'mine.mjs').coreSpeeds, undefined)
    const { topology, ...alike } = phone
    assert.equal(topology.sockets, 1)
    assert.equal(checkMachine(alike, 'mine.mjs').coreSpeeds, coreSpeeds)
  })
})
