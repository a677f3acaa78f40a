// The dashboard's script. Pages work without it; it makes them live.
import './shared.js'
import { $ } from './html.js'
import { act } from './menus.js'
import { copyBeside } from './copy.js'
import { current } from './list.js'
import * as panel from './panel.js'
import { toggle } from './socket.js'
import { here } from './navigate.js'
import * as toast from './toast.js'
import './keys.js'
import './palette.js'
import './login.js'
import './dockstart.js'

document.addEventListener('click', (e) => {
  const b = e.target.closest?.('[data-act]')
  if (!b) return
  switch (b.dataset.act) {
    case 'close-panel': panel.close(); break
    case 'select-all': current()?.selectAll(true); break
    case 'select-none': current()?.selectAll(false); break
    case 'copy': copyBeside(b); break
    case 'close-toast': toast.close(); break
    case 'palette': document.dispatchEvent(new CustomEvent('palette')); break
    default: if (!act(b)) return
  }
  e.preventDefault()
})

$('#live')?.addEventListener('click', toggle)

if ($('#nav')) {
  document.documentElement.classList.add('js')
  here()
  toast.start()
}
