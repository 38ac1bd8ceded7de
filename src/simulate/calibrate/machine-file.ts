// The file that describes a machine: a module that exports it as default, with where each number is from beside it.

import type { Calibration } from './calibrate.ts'
import { AS_TOLD } from './describe.ts'

const UNKNOWN = 'not measured, taken over'

export function machineFile({ machine, origins, remarks }: Calibration): string {
  const inherited = /“(.+)”/.exec(machine.source)?.[1] ?? ''
  return [
    `// ${machine.title}`,
    '//',
    ...remarks.map((remark) => `// ${remark}`),
    '//',
    '// What each number means is in docs/simulator.md and src/simulate/machine.ts of faultline.',
    'export default {',
    ...linesOf(
      machine as unknown as Readonly<Record<string, unknown>>,
      '',
      origins,
      `${UNKNOWN} from ${inherited}`,
    ),
    '}',
    '',
  ].join('\n')
}

function linesOf(
  object: Readonly<Record<string, unknown>>,
  path: string,
  origins: Readonly<Record<string, string>>,
  otherwise: string,
): string[] {
  const indent = '  '.repeat(path === '' ? 1 : 2)
  return Object.entries(object).flatMap(([key, value]) => {
    const full = path === '' ? key : `${path}.${key}`
    if (typeof value === 'object' && value !== null) {
      const inner = linesOf(value as Readonly<Record<string, unknown>>, full, origins, otherwise)
      return inner.length === 0 ? [`${indent}${key}: {},`] : [`${indent}${key}: {`, ...inner, `${indent}},`]
    }
    const line = `${indent}${key}: ${JSON.stringify(value)},`
    const isText = ['name', 'title', 'source'].includes(key)
    const origin = path === 'topology' ? AS_TOLD : (origins[full] ?? otherwise)
    return isText ? [line] : [`${indent}// ${origin}`, line]
  })
}
