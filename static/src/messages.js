// What is shown, in the language of the page. The sources say it in English, so
// that English needs no table; a page in another language loads one before the
// scripts (see web/messages/script.go). en-XA is a language for tests: what stands in no
// brackets there is not from the catalogue.

/** language is that of the page. */
export const language = document.documentElement.lang || 'en'

const table = globalThis.pilothouseMessages?.texts ?? {}
const pseudo = language === 'en-XA'
const numbers = new Intl.NumberFormat(language)
const times = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
let plurals

/** number is a number as one writes it in the language. */
export const number = (n) => numbers.format(n)

/** clock is a time of the day, to the second. */
export const clock = (date) => times.format(date)

/** list joins texts to one. */
export const list = (texts) => new Intl.ListFormat(language, { type: 'unit', style: 'short' }).format(texts)

const fill = (text, values) => {
  const full = text.replace(/\{(\w+)\}/g, (all, name) => {
    const v = values[name]
    return typeof v === 'number' ? number(v) : v ?? all
  })
  return pseudo ? `⟦${full}⟧` : full
}

/** msg is a whole sentence or name, with values for its {placeholders}. The text
 * has to be written out: web/messages/collect reads the sources. */
export const msg = (text, values = {}) => fill(table[text] ?? text, values)

/** msgs is msg of a number: how one of something is called, and how n are. */
export function msgs(n, one, other, values) {
  plurals ??= new Intl.PluralRules(language)
  const form = plurals.select(n)
  const mine = table[other]
  const text = mine ? mine[form] ?? mine.other : form === 'one' ? one : other
  return fill(text, { n, ...values })
}
