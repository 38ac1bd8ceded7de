// The races of the literature: each is found where it is said to be, in the way that it is said to show, and not found
// where it is said not to be. docs/races.md is what the races say and the explorer finds.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import type { CheckResult } from '../../src/check/index.ts'
import { scenarioNames, priceNames } from '../../src/check/index.ts'
import { exhibitProblem, exploreHolds, showExhibit } from '../../src/check/races/explore-race.ts'
import { type Exhibit, absentRaces, races } from '../../src/check/races/index.ts'
import { raceText, racesPage } from '../../src/check/races/page.ts'
import { readRace } from '../../src/check/races/read.ts'
import { everySecond, isWhole } from '../extent.ts'

const page = new URL('../../docs/races.md', import.meta.url)
const updates = process.env['FAULTLINE_UPDATE_GOLDEN'] === '1'
/** The whole: every counterexample is shortened and compared, and what is complete is explored completely. */
const all = updates || isWhole
/** Their counterexamples are short soon. */
const shortened = new Set(['R9', 'R32', 'R34', 'R36', 'R38', 'R40'])
const HOLDS_EXECUTIONS = 30

describe('races', () => {
  const found = new Map<Exhibit, CheckResult>()
  const test = updates ? it : everySecond(0)
  for (const race of races) {
    const { number, title, exhibits, holds } = race
    void test(`${number}: ${title}`, async () => {
      for (const exhibit of exhibits) {
        const minimise = all || shortened.has(number)
        const result = await showExhibit(
          exhibit,
          minimise ? { minimiseSeconds: 600 } : { minimiseSeconds: 0 },
        )
        assert.equal(exhibitProblem(exhibit, result), null)
        found.set(exhibit, result)
      }
      if ((all || shortened.has(number)) && !updates)
        assert.ok(readFileSync(page, 'utf8').includes(raceText(race, found)), raceText(race, found))
      for (const each of holds) {
        const whole = all && each.complete
        const limits = whole ? { seconds: 600 } : { maxExecutions: HOLDS_EXECUTIONS }
        const { failure, complete } = await exploreHolds(each, { ...limits, minimiseSeconds: 0 })
        assert.equal(failure, null, failure?.message)
        if (whole) assert.ok(complete, `${each.scenario} under ${each.design} is not complete`)
      }
    })
  }

  it('are written down in docs/races.md', () => {
    if (!all) return
    const text = racesPage(found)
    if (updates) writeFileSync(page, text)
    assert.equal(readFileSync(page, 'utf8'), text)
  })

  it('are all accounted for, R1 to R40', () => {
    const numbers = [...races, ...absentRaces].map(({ number }) => number)
    const expected = Array.from({ length: 40 }, (_, index) => `R${index + 1}`)
    assert.deepEqual(
      numbers.toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1))),
      expected,
    )
  })

  it('use scenarios that are shipped', () => {
    const known: readonly string[] = [...scenarioNames, ...priceNames]
    for (const { exhibits, holds } of races)
      for (const { scenario } of [...exhibits, ...holds]) assert.ok(known.includes(scenario), scenario)
  })

  it('a race that is not there is noticed', async () => {
    const { exhibits } = races.find(({ number }) => number === 'R11')!
    const mended = { ...exhibits[0]!, published: false }
    assert.equal(exhibitProblem(mended, await showExhibit(mended)), 'nothing fails')
    assert.match(
      exhibitProblem(
        { ...exhibits[0]!, fails: 'race' },
        await showExhibit(exhibits[0]!, { minimiseSeconds: 0 }),
      )!,
      /it is a deadlock/,
    )
  })

  it('are refused where they are not written as they are to be', () => {
    const file = new URL('../../src/check/races/r09-two-writers.md', import.meta.url)
    const text = readFileSync(file, 'utf8')
    assert.equal(readRace('r09', text).number, 'R9')
    const wrong: readonly (readonly [string, string, RegExp])[] = [
      ['**Fixed:**', 'Fixed:', /r09: no commands, no heading or no text "Fixed"/],
      ['\nholds: ', '\nholds ', /r09: holds two-discards/],
      [' --design ', ' --of ', /r09: two-discards/],
      ['\nhad: ', '\nhas: ', /r09: has/],
      ['\nfails: ', '\nexplored: ', /r09: explored/],
      ['patches: countsWithTwoWriters', 'patches: nothing', /r09: there are no patches nothing/],
    ]
    for (const [there, instead, message] of wrong) {
      assert.ok(text.includes(there), there)
      assert.throws(() => readRace('r09', text.replace(there, instead)), message)
    }
  })
})
