// Tables of scenarios: what each of them does, by its name.

import {
  type KernelScenarioDescription,
  type PrimitiveScenarioDescription,
  kernelScenario,
  primitiveScenario,
} from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

type Table<Entry> = Readonly<Record<string, Entry>>

/** What CPUs do with one address space. Unless it says other pages, the first and the warm one are looked at. */
export function kernelScenarios(
  table: Table<Omit<KernelScenarioDescription, 'pages'> & { readonly pages?: readonly number[] }>,
): Table<ReturnType<typeof kernelScenario>> {
  const entries = Object.entries(table)
  return Object.fromEntries(
    entries.map(([name, each]) => [name, kernelScenario({ pages: [firstPage, warmPage], ...each })]),
  )
}

/** What CPUs do with what the kernel is built from. */
export function primitiveScenarios(
  table: Table<PrimitiveScenarioDescription>,
): Table<ReturnType<typeof primitiveScenario>> {
  return Object.fromEntries(Object.entries(table).map(([name, each]) => [name, primitiveScenario(each)]))
}
