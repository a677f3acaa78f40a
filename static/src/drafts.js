// Drafts: what was typed and not saved, in the store of the browser, by user and
// page. Text that may hold credentials is sealed there: encrypted with a key that
// the server gives its user's pages alone, and that is kept nowhere else. So a
// copied store tells nothing, and the next login of the same user has its drafts.
import { $ } from './html.js'

const mine = `draft ${$('.who')?.textContent.trim() ?? ''} `
let turn = 0
let writing = null // a promise of the draft that is being written

/** places are the pages with a draft of this user. */
export const places = () => Object.keys(localStorage).filter((k) => k.startsWith(mine)).map((k) => k.slice(mine.length))

const box = () => import('./seal.js')

/** ready gets what seals, so that it is there when the session is over. */
export const ready = () => box().then((m) => m.ready())

/** read gives a draft, null where there is none that this user can open. */
export async function read(place) {
  await writing
  const text = localStorage.getItem(mine + place)
  try { return text && JSON.parse(text.startsWith('{') ? text : await (await box()).unseal(place, text)) } catch { return null }
}

/** write keeps a draft: at once, sealed ones as soon as they are. */
export function write(place, draft, sealed) {
  return writing = put(place, draft, sealed)
}

async function put(place, draft, sealed) {
  const now = ++turn
  let text = JSON.stringify(draft)
  try {
    if (sealed) text = await (await box()).seal(place, text)
    if (now === turn) localStorage.setItem(mine + place, text)
  } catch { /* the disk is full, or there is no key: the text is still on the screen */ }
}

/** drop forgets a draft. */
export function drop(place) {
  turn++
  localStorage.removeItem(mine + place)
}
