/** The method that node:util's inspect, and so console.log, asks for what to show (`util.inspect.custom`). */
export const inspected: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never
