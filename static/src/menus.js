// Menus close when the focus goes elsewhere; theme and density change at once.
import { $, $$ } from './html.js'
import { msg } from './messages.js'

export function closeMenus() {
  for (const d of $$('details[data-menu][open]')) d.open = false
}

document.addEventListener('click', (e) => {
  for (const d of $$('details[data-menu][open]')) if (!d.contains(e.target)) d.open = false
})

document.addEventListener('focusin', (e) => {
  for (const d of $$('details[data-menu][open]')) if (!d.contains(e.target)) d.open = false
})

function cookie(name, value) {
  document.cookie = `pilothouse-${name}=${value}; Path=/; Max-Age=31536000; SameSite=Strict`
}

export function act(button) {
  const root = document.documentElement
  switch (button.dataset.act) {
    case 'theme':
      cookie('theme', button.value)
      root.dataset.theme = button.value === 'auto' ? '' : button.value
      for (const b of $$('[data-act="theme"]')) b.setAttribute('aria-pressed', String(b === button))
      return true
    case 'density': {
      const compact = !root.hasAttribute('data-density')
      root.toggleAttribute('data-density', compact)
      const density = compact ? 'compact' : 'comfortable'
      fetch('/ui/theme', { method: 'POST', body: new URLSearchParams({ form: button.form.elements.form.value, density }), redirect: 'manual' })
      button.textContent = compact ? msg('Comfortable rows') : msg('Compact rows')
      document.dispatchEvent(new CustomEvent('density'))
      return true
    }
    case 'up': {
      const li = button.closest('li')
      const before = li.previousElementSibling
      if (before?.querySelector('button')) before.before(li)
      button.focus()
      return true
    }
    case 'menu': {
      const open = document.body.classList.toggle('menu-open')
      button.setAttribute('aria-expanded', String(open))
      if (open) $('#nav a')?.focus()
      return true
    }
  }
  return false
}
