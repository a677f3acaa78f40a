package main

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestMessagesOfScripts(t *testing.T) {
	f := func(src string, want ...string) {
		t.Helper()
		l := list{}
		if err := l.script(src, "a.js"); err != nil {
			t.Error(err)
		}
		var got []string
		for _, text := range slices.Sorted(maps.Keys(l)) {
			got = append(got, l[text].One+"|"+text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f(`say(T('Copied'))`, "|Copied")
	f("T(\n  `It's \"so\"`, x)", `|It's "so"`)
	f(`T("it's"); T('it\'s so'); T('a\nb')`, "|a\nb", "|it's", "|it's so")
	f(`N(rows.length, '%d row', "%d rows")`, "%d row|%d rows")
	f(`N(f(a, [b, c]), '%d row', '%d rows of %s', T('all'))`, "%d row|%d rows of %s", "|all")
	f(`// T(text) is a message`)
	f(`JSON.stringify(x); obj.T(y); SET(z)`)
	f(`fetch('https://x') || T('No')`, "|No")
}

func TestMessagesOfScriptsHaveToBeFound(t *testing.T) {
	for _, src := range []string{"T(text)", "T('a ' + b)", "T(`a ${b}`)", "N(n, one, other)", "N(n, 'a')", "N(n)", "T("} {
		l := list{}
		if err := l.script(src, "a.js"); err == nil {
			t.Errorf("%s: %v", src, l)
		}
	}
	l := list{"%d rows": {One: "%d row"}}
	if l.script("T('%d rows')", "a.js") == nil {
		t.Error("one text with and without a number")
	}
}

func TestTranslationsSurviveAMerge(t *testing.T) {
	got, err := entries(strings.Join([]string{`{`, `  "b": "B",`, `  "a": "A"`, `  "c": {"one": "1", "other": "C"},`, `  "b": "BB"`, `}`}, "\n"))
	want := map[string]any{"a": "A", "b": "BB", "c": map[string]any{"one": "1", "other": "C"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %v", got, err)
	}
	if _, err := entries("{\n<<<<<<< HEAD\n}"); err == nil {
		t.Error("a conflict was taken for a message")
	}
}
