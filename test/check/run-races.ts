// `npm run check:races`: every race, every flaw of a published form and every mended design, as far as the tests can
// go. Takes some minutes.

process.env['FAULTLINE_EXTENT'] = 'whole'
await import('./races.test.ts')
await import('./published.test.ts')
