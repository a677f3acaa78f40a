// Messages in the language of the page: the English text is the key, and what is
// before this script in the page has its translations (web/messages/script.go).
// English has none. In en-XA, which is for tests, each message is in brackets.

/** language is that of the page. */
export const language = document.documentElement.lang || 'en'

const { texts = {} } = globalThis.pilothouseMessages ?? {}
const pseudo = language === 'en-XA'
const numbers = new Intl.NumberFormat(language)
const times = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
const plurals = new Intl.PluralRules(language)

/** number is a number as people write it: 4,213. */
export const number = (n) => numbers.format(n)

/** clock is the time of day, to the second. */
export const clock = (date) => times.format(date)

/** list joins texts to one. */
export const list = (texts) => new Intl.ListFormat(language, { type: 'unit', style: 'short' }).format(texts)

/**
 * T is a message with its arguments: T('Delete %s', name). %d groups a number,
 * %[2]s is the second argument. The text has to stand there as it is: catalogue
 * files are made of what is found in the sources.
 */
export const T = (text, ...args) => mark(fill(texts[text] ?? text, args))

/** N is the message for a number, the first argument: N(n, '%d row', '%d rows'). */
export function N(n, one, other, ...args) {
  const forms = texts[other] ?? { one, other }
  return mark(fill(forms[plurals.select(n)] ?? forms.other, [n, ...args]))
}

function fill(text, args) {
  if (!args.length) return text
  let next = 0
  return text.replace(/%(?:\[(\d+)\])?([sd%])/g, (_, at, verb) => {
    if (verb === '%') return '%'
    const arg = args[at ? at - 1 : next++]
    return verb === 'd' ? number(arg) : String(arg)
  })
}

const mark = (text) => pseudo ? `⟦${text}⟧` : text
