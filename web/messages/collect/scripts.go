package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Calls of msg and msgs in a script, and the strings that they have to have. A
// string is one line in quotes of any kind.
var (
	call   = regexp.MustCompile(`(^|[^\w.$])(msgs?)\(`)
	quoted = regexp.MustCompile(`^\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|` + "`((?:[^`\\\\$\n]|\\\\.)*)`)")
)

// sources is where scripts are.
const sources = "static/src/"

// scripts collects from the dashboard's scripts.
func (l list) scripts(root string) error {
	files, err := filepath.Glob(filepath.Join(root, sources+"*.js"))
	if err != nil {
		return err
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if filepath.Base(f) == "messages.js" {
			continue // what msg and msgs are
		}
		if err := l.script(string(raw), sources+filepath.Base(f)); err != nil {
			return err
		}
	}
	return nil
}

func (l list) script(src, name string) error {
	for _, at := range call.FindAllStringSubmatchIndex(src, -1) {
		rest := src[at[1]:]
		where := fmt.Sprintf("%s:%d", name, 1+strings.Count(src[:at[0]], "\n"))
		if line := src[strings.LastIndexByte(src[:at[1]], '\n')+1 : at[1]]; strings.Contains(line, "//") && !strings.Contains(line, "://") {
			continue // a comment
		}
		var one string
		if src[at[4]:at[5]] == "msgs" {
			_, after, ok := argument(rest)
			if !ok {
				return fmt.Errorf("%s: msgs has a number and two strings", where)
			}
			first, after, ok := literal(after)
			after, comma := strings.CutPrefix(strings.TrimSpace(after), ",")
			if !ok || !comma {
				return fmt.Errorf("%s: msgs has two strings as they are written", where)
			}
			one, rest = first, after
		}
		text, after, ok := literal(rest)
		if after = strings.TrimSpace(after); !ok || after == "" || !strings.Contains(",)", after[:1]) {
			return fmt.Errorf("%s: a message is a string as it is written", where)
		}
		if err := l.add(text, one, name); err != nil {
			return err
		}
	}
	return nil
}

// literal reads a string at the beginning of src.
func literal(src string) (text, rest string, ok bool) {
	m := quoted.FindStringSubmatchIndex(src)
	if m == nil {
		return "", src, false
	}
	for i := 2; i < len(m); i += 2 {
		if m[i] >= 0 {
			text = unescape(src[m[i]:m[i+1]])
		}
	}
	return text, src[m[1]:], true
}

func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	s = strings.NewReplacer(`\'`, `'`, "\\`", "`", `"`, `\"`, `\"`, `\"`).Replace(s)
	if u, err := strconv.Unquote(`"` + s + `"`); err == nil {
		return u
	}
	return s
}

// argument skips the first argument of a call, up to its comma.
func argument(src string) (arg, rest string, ok bool) {
	depth := 0
	for i, r := range src {
		switch r {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case ',':
			if depth == 0 {
				return src[:i], src[i+1:], true
			}
		}
		if depth < 0 {
			break
		}
	}
	return "", src, false
}
