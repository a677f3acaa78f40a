package apidoc

import (
	"regexp"
	"strings"
)

// Place is where a position stands in a YAML document.
type Place struct {
	APIVersion, Kind string
	// Path are the keys around the position; a value's own key is the last one.
	Path []string
	// Value tells that a value stands there, not a key.
	Value bool
	// Indent is the column at which keys of the place begin.
	Indent int
	// There are the keys that the object around has already, before the
	// position.
	There []string
}

var keyLine = regexp.MustCompile(`^((?:- )*)([A-Za-z0-9_./$-]+|"[^"]*"|'[^']*'):(?: |$)`)

type level struct {
	indent int
	key    string
}

// Find tells where a position of a text with several documents stands. It reads
// block style by its indentation, as people write it, also where the text is
// not whole yet.
func Find(text string, position int) Place {
	position = min(max(position, 0), len(text))
	start := 0
	if i := strings.LastIndex(text[:position], "\n---"); i >= 0 {
		start = i + 4
	}
	end := len(text)
	if i := strings.Index(text[position:], "\n---"); i >= 0 {
		end = position + i
	}
	p := Place{}
	for line := range strings.SplitSeq(text[start:end], "\n") {
		if v, ok := strings.CutPrefix(line, "apiVersion:"); ok {
			p.APIVersion = unquote(v)
		}
		if v, ok := strings.CutPrefix(line, "kind:"); ok {
			p.Kind = unquote(v)
		}
	}
	before := strings.Split(text[start:position], "\n")
	last := before[len(before)-1]
	var stack []level
	var there []level
	for _, line := range before[:len(before)-1] {
		stack, there = step(stack, there, line)
	}
	indent := len(last) - len(strings.TrimLeft(last, " "))
	rest := last[indent:]
	for strings.HasPrefix(rest, "- ") {
		rest, indent = rest[2:], indent+2
		there = drop(there, indent)
	}
	stack = pop(stack, indent, last)
	p.Indent = indent
	for _, l := range stack {
		p.Path = append(p.Path, l.key)
	}
	if key, _, ok := strings.Cut(rest, ": "); ok {
		p.Value = true
		p.Path = append(p.Path, unquote(key))
	}
	for _, l := range there {
		if l.indent == indent {
			p.There = append(p.There, l.key)
		}
	}
	return p
}

func unquote(s string) string { return strings.Trim(strings.TrimSpace(s), `"'`) }

// step takes one whole line into the keys that are open.
func step(stack, there []level, line string) (s, t []level) {
	trimmed := strings.TrimSpace(line)
	if trimmed == "" || strings.HasPrefix(trimmed, "#") {
		return stack, there
	}
	indent := len(line) - len(strings.TrimLeft(line, " "))
	m := keyLine.FindStringSubmatch(line[indent:])
	if m == nil {
		return stack, there
	}
	own := indent + len(m[1])
	if m[1] != "" {
		there = drop(there, own) // a new item begins with no keys
	}
	stack = pop(stack, own, line)
	there = append(dropAbove(there, own), level{own, unquote(m[2])})
	return append(stack, level{own, unquote(m[2])}), there
}

// pop closes the keys that do not hold a line at an indentation. The items of a
// list may stand at the indentation of the list's key.
func pop(stack []level, indent int, line string) []level {
	item := strings.HasPrefix(strings.TrimLeft(line, " "), "-")
	dash := len(line) - len(strings.TrimLeft(line, " "))
	for len(stack) > 0 {
		top := stack[len(stack)-1].indent
		if top < indent && (!item || top <= dash) {
			break
		}
		stack = stack[:len(stack)-1]
	}
	return stack
}

// drop forgets the keys at an indentation and deeper, dropAbove those deeper.
func drop(list []level, indent int) []level {
	var out []level
	for _, l := range list {
		if l.indent < indent {
			out = append(out, l)
		}
	}
	return out
}

func dropAbove(list []level, indent int) []level { return drop(list, indent+1) }
