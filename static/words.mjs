// Whether the scripts take what they show from the catalogue: the texts of msg and
// msgs are written out, and nothing that people see is written without.
import { parse } from 'acorn'

// Where text is seen: properties, attributes, and functions that show what they
// are given.
const properties = new Set(['textContent', 'innerText', 'title', 'placeholder', 'ariaLabel', 'alt', 'what', 'text'])
const attributes = new Set(['aria-label', 'aria-description', 'aria-roledescription', 'aria-valuetext', 'title', 'placeholder', 'alt'])
const shows = new Set(['say', 'confirm', 'alert', 'prompt', 'failed', 'note', 'problem', 'append', 'prepend', 'replaceChildren', 'createTextNode'])

// Where it is not: selectors, addresses, names of what is kept, styles, keys.
const quiet = new Set(['$', '$$', 'matches', 'closest', 'getItem', 'setItem', 'part', 'get', 'replace', 'startsWith', 'theme'])
const quietProperties = new Set(['className', 'keys', 'font'])

// Kubernetes' own names are the same in every language.
const names = new Set(['Pods', 'Deployments', 'Services', 'Nodes', 'ConfigMaps', 'Jobs', 'Ingresses'])

// What leaves open where a text goes.
const passes = new Set(['ConditionalExpression', 'LogicalExpression', 'TemplateLiteral', 'ArrayExpression', 'SpreadElement', 'ChainExpression', 'ObjectExpression'])

/** check gives what is wrong with a source, a line each. */
export function check(name, source) {
  const wrong = []
  const report = (node, what) => wrong.push(`${name}:${node.loc.start.line}: ${what}`)
  const see = (node, above) => {
    if (node.type === 'CallExpression' && /^msgs?$/.test(node.callee.name)) {
      const texts = node.callee.name === 'msg' ? node.arguments.slice(0, 1) : node.arguments.slice(1, 3)
      if (!texts.every((t) => typeof t?.value === 'string')) report(node, 'the text of a message has to be written out')
      for (const a of node.arguments) if (!texts.includes(a)) visit(a, [...above, node], see)
      return false
    }
    const text = shown(node, above)
    if (text) report(node, `${JSON.stringify(text)} is not from the catalogue`)
    return true
  }
  visit(parse(source, { ecmaVersion: 'latest', sourceType: 'module', locations: true }), [], see)
  return wrong
}

function visit(node, above, see) {
  if (typeof node?.type !== 'string' || !see(node, above)) return
  for (const child of Object.values(node).flat()) if (child && typeof child === 'object') visit(child, [...above, node], see)
}

// shown is the text of a node that people would see, else nothing.
function shown(node, above) {
  const text = node.type === 'TemplateLiteral' ? node.quasis.map((q) => q.value.cooked).join('…') : node.type === 'Literal' && typeof node.value === 'string' ? node.value : ''
  if (!/[A-Za-z]{2}/.test(text) || names.has(text)) return ''
  if (/^</.test(text)) return inHTML(text)
  const place = placeOf(node, above)
  const words = /[A-Za-z]{2,}[,;:]? +[A-Za-z(]/.test(text) || /^[A-Z][a-z]+[^A-Z+-]*$/.test(text)
  return place === 'seen' || place !== 'hidden' && words ? text : ''
}

// inHTML is what a piece of HTML shows.
function inHTML(text) {
  const said = [...text.matchAll(/ (?:aria-label|title|placeholder|alt)="([^"]*)"/g)].map((m) => m[1])
  return [...said, text.replace(/<[^>]*>/g, '')].find((s) => /[A-Za-z]{2}/.test(s)) ?? ''
}

// placeOf tells whether what becomes of a text is seen, hidden, or neither is known.
function placeOf(node, above) {
  let child = node
  for (const parent of above.toReversed()) {
    switch (parent.type) {
      case 'BinaryExpression':
        if (parent.operator !== '+') return 'hidden' // compared
        break
      case 'AssignmentExpression':
        if (parent.right !== child) return 'hidden'
        return placeOfProperty(parent.left.property?.name)
      case 'Property':
        if (parent.key === child) return 'hidden'
        if (placeOfProperty(parent.key.name)) return placeOfProperty(parent.key.name)
        break
      case 'CallExpression': {
        const callee = parent.callee.property?.name ?? parent.callee.name
        if (callee === 'setAttribute') return attributes.has(parent.arguments[0].value) && child === parent.arguments[1] ? 'seen' : 'hidden'
        return shows.has(callee) ? 'seen' : quiet.has(callee) ? 'hidden' : ''
      }
      case 'MemberExpression': case 'ImportDeclaration': case 'ImportExpression': case 'TaggedTemplateExpression':
        return 'hidden'
      default:
        if (!passes.has(parent.type)) return ''
    }
    child = parent
  }
  return ''
}

const placeOfProperty = (name) => (properties.has(name) ? 'seen' : quietProperties.has(name) ? 'hidden' : '')
