// What the first script and those that it loads later have together. esbuild makes
// a file of what the same scripts import: all of them import this, so that it is
// one file, one request.
import './clipboard.js'
import './dockstart.js'
import './html.js'
import './messages.js'
import './socket.js'
