package messages

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/text/feature/plural"
)

// all is the messages as collect found them: those about a number with their form
// for one.
func all(t *testing.T) map[string]struct {
	One string
	In  []string
} {
	t.Helper()
	found := map[string]struct {
		One string
		In  []string
	}{}
	raw, err := os.ReadFile("catalogue/en.json")
	if err == nil {
		err = json.Unmarshal(raw, &found)
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Every language has every message and no other, and each has the arguments of
// the English text.
func TestCataloguesAreComplete(t *testing.T) {
	for _, l := range Languages[1:] {
		table, english := read(l.Tag), all(t)
		for text, e := range english {
			f, ok := table[text]
			if !ok {
				t.Errorf("%s.json lacks %q of %v", l.Tag, text, e.In)
				continue
			}
			if counted := len(f) > 1; counted != (e.One != "") {
				t.Errorf("%s.json: %q has one form or several, and the message itself not", l.Tag, text)
			}
			if e.One != "" && f[plural.Other] == "" {
				t.Errorf("%s.json: %q has no form \"other\"", l.Tag, text)
			}
			for _, s := range f {
				if want, got := arguments(t, text), arguments(t, s); !slices.Equal(want, got) {
					t.Errorf("%s.json: %q takes %v, %q takes %v", l.Tag, text, want, s, got)
				}
			}
		}
		for text := range table {
			if _, ok := english[text]; !ok {
				t.Errorf("%s.json has %q, which nothing says any more", l.Tag, text)
			}
		}
	}
}

// What arguments are in Go's messages, and in those of scripts.
var (
	verb = regexp.MustCompile(`%(?:\[(\d+)\])?([a-z])`)
	name = regexp.MustCompile(`\{\w+\}`)
)

// arguments are the verbs of a message in the order of its arguments, "1s", "2d",
// and the names of arguments.
func arguments(t *testing.T, s string) []string {
	t.Helper()
	found := map[string]bool{}
	next := 1
	for _, m := range verb.FindAllStringSubmatch(s, -1) {
		if m[1] != "" {
			next, _ = strconv.Atoi(m[1])
		}
		found[strconv.Itoa(next)+m[2]] = true
		next++
	}
	for _, m := range name.FindAllString(s, -1) {
		found[m] = true
	}
	return slices.Sorted(maps.Keys(found))
}
