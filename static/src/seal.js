// What seals drafts, with the key of the user who is logged in. See drafts.js.
import './shared.js'
import { $ } from './html.js'

let key = null // a promise of it

async function ask() {
  const answer = await fetch('/ui/draftkey', { method: 'POST', body: new URLSearchParams({ form: $('script[data-form]').dataset.form }), headers: { 'X-Pilothouse': 'draft' } })
  if (!answer.ok) throw new Error(answer.statusText)
  return crypto.subtle.importKey('raw', await answer.arrayBuffer(), 'AES-GCM', false, ['encrypt', 'decrypt'])
}

/** ready gets the key. */
export const ready = () => key ??= ask().catch((e) => { key = null; throw e })

// how names the place, too: what was sealed for one page is of no use on another.
const how = (iv, place) => ({ name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(place) })

/** seal encrypts a draft of a place, unseal is the other way around. */
export async function seal(place, text) {
  const iv = crypto.getRandomValues(new Uint8Array(12))
  const sealed = new Uint8Array(await crypto.subtle.encrypt(how(iv, place), await ready(), new TextEncoder().encode(text)))
  let bytes = String.fromCharCode(...iv)
  for (let i = 0; i < sealed.length; i += 8192) bytes += String.fromCharCode(...sealed.subarray(i, i + 8192))
  return btoa(bytes)
}

export async function unseal(place, text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
  return new TextDecoder().decode(await crypto.subtle.decrypt(how(bytes.subarray(0, 12), place), await ready(), bytes.subarray(12)))
}
