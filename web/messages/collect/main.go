// Command collect writes the list of all messages of the dashboard: constants of
// the type messages.Text in Go and templ, and what scripts give to msg and msgs. It also
// sorts the translations. Read gocode.go for the former, scripts.go for the
// latter.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	out := flag.String("out", "", "the file to write")
	scripts := flag.String("scripts", "", "the file to write with the messages of scripts alone")
	root := flag.String("root", "../..", "the folder of the module")
	flag.Parse()
	if err := run(*root, *out, *scripts); err != nil {
		fmt.Fprintln(os.Stderr, "collect:", err)
		os.Exit(1)
	}
}

func run(root, out, scripts string) error {
	l := list{}
	if err := l.goCode(root); err != nil {
		return err
	}
	if err := l.scripts(root); err != nil {
		return err
	}
	raw, err := encode(l)
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, raw, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(scripts, l.ofScripts(), 0o644); err != nil {
		return err
	}
	return translations(out)
}

// ofScripts is the texts that scripts have, one JSON string a line.
func (l list) ofScripts() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, text := range slices.Sorted(maps.Keys(l)) {
		if slices.ContainsFunc(l[text].In, func(file string) bool { return strings.HasPrefix(file, sources) }) {
			e.Encode(text) // a string into memory does not fail
		}
	}
	return b.Bytes()
}

// encode writes one message a line, so that versions of the file merge.
func encode[V any](l map[string]V) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("{\n")
	for i, text := range slices.Sorted(maps.Keys(l)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		key, err := plain(text)
		if err != nil {
			return nil, err
		}
		value, err := plain(l[text])
		if err != nil {
			return nil, err
		}
		b.WriteString("  " + key + ": " + value)
	}
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}

// plain is JSON whose <, > and & are as they are.
func plain(v any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSpace(b.String()), err
}

// list is the messages by their English texts.
type list map[string]entry

// entry is a message in catalogue/en.json.
type entry struct {
	// One is the form for one, of messages about a number.
	One string `json:"one,omitempty"`
	// In are the files that have the message.
	In []string `json:"in"`
}

func (l list) add(text, one, file string) error {
	if text == "" {
		return nil
	}
	e, ok := l[text]
	if ok && e.One != one {
		return fmt.Errorf("%s: %q is about a number in one place only, or has two forms for one: %q, %q", file, text, e.One, one)
	}
	e.One = one
	if !slices.Contains(e.In, file) {
		e.In = append(e.In, file)
		slices.Sort(e.In)
	}
	l[text] = e
	return nil
}
