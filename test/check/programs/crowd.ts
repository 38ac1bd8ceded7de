// One thread too many.

export default { threads: Array.from({ length: 32 }, () => () => undefined) }
