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
	f(`say(msg('Copied'))`, "|Copied")
	f("msg(\n  `It's \"so\"`, x)", `|It's "so"`)
	f(`msg("it's"); msg('it\'s so'); msg('a\nb')`, "|a\nb", "|it's", "|it's so")
	f(`msgs(rows.length, '{n} row', "{n} rows")`, "{n} row|{n} rows")
	f(`msgs(f(a, [b, c]), '{n} row', '{n} rows of %s', msg('all'))`, "|all", "{n} row|{n} rows of %s")
	f(`// msg(text) is a message`)
	f(`JSON.stringify(x); obj.msg(y); amsg(z)`)
	f(`fetch('https://x') || msg('No')`, "|No")
}

func TestMessagesOfScriptsHaveToBeFound(t *testing.T) {
	for _, src := range []string{"msg(text)", "msg('a ' + b)", "msg(`a ${b}`)", "msgs(n, one, other)", "msgs(n, 'a')", "msgs(n)", "msg("} {
		l := list{}
		if err := l.script(src, "a.js"); err == nil {
			t.Errorf("%s: %v", src, l)
		}
	}
	l := list{"{n} rows": {One: "{n} row"}}
	if l.script("msg('{n} rows')", "a.js") == nil {
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
