import * as all from './imports-cycle.mjs'
import { later, set as change, seen } from './imports-cycle.mjs'
export const value = await Promise.resolve('awaited')
export default function () {
  return [typeof all.later, later, import.meta.url.slice(-15)]
}
export function live() {
  change(5)
  return [later, all.later]
}
export { seen }
