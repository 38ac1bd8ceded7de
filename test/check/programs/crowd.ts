// One thread too many.

export default { threads: Array.from({ length: 17 }, () => () => undefined) }
