package messages

import (
	"compress/gzip"
	"context"
	"embed"
	"encoding/json"
	"io"
	"maps"
	"strings"
	"sync"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// catalogue has the translations; English is in the code.
//
//go:embed catalogue/*.gz
var catalogue embed.FS

// Language is one language of the dashboard.
type Language struct {
	// Tag is its BCP 47 tag, Name what it calls itself.
	Tag, Name string

	tag     language.Tag
	printer *message.Printer
	pseudo  bool
	table   func() map[string]forms
}

// forms are a translation: Other alone, or the forms of a number.
type forms map[plural.Form]string

var english = &Language{Tag: "en", Name: "English"}

// Languages are what users can choose; the first one is for everybody whose
// language is none of them.
var Languages = []*Language{
	english,
	translated("de", "Deutsch"),
}

// pseudo is English with each message in marks. Only a browser that asks for it
// alone gets it.
var pseudo = &Language{Tag: "en-XA", Name: "Pseudo", pseudo: true}

func translated(tag, name string) *Language {
	t := language.MustParse(tag)
	return &Language{Tag: tag, Name: name, tag: t, printer: message.NewPrinter(t), table: sync.OnceValue(func() map[string]forms { return read(tag) })}
}

// Find gives a language by its tag, nil when it is none that can be chosen.
func Find(tag string) *Language {
	for _, l := range Languages {
		if l.Tag == tag {
			return l
		}
	}
	return nil
}

var matcher = language.NewMatcher(tags())

func tags() []language.Tag {
	var all []language.Tag
	for _, l := range Languages {
		all = append(all, language.MustParse(l.Tag))
	}
	return all
}

// maxAccept bounds the header that is read.
const maxAccept = 1000

// Choose gives the language of a request: the one that the user has chosen, else
// what fits the header Accept-Language best.
func Choose(chosen, accept string) *Language {
	if l := Find(chosen); l != nil {
		return l
	}
	switch {
	case accept == "" || len(accept) > maxAccept:
		return english
	case accept == pseudo.Tag || strings.HasPrefix(accept, pseudo.Tag+","):
		return pseudo
	}
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return english
	}
	_, i, _ := matcher.Match(wanted...)
	return Languages[i]
}

// context4 ends what tells two messages apart that are the same in English, as
// in gettext: "time\x04To". It is not printed.
const context4 = '\x04'

type key struct{}

// With gives a context whose messages are in a language.
func With(ctx context.Context, l *Language) context.Context {
	return context.WithValue(ctx, key{}, l)
}

// From gives the language of a context, English for one that has none.
func From(ctx context.Context) *Language {
	if l, ok := ctx.Value(key{}).(*Language); ok && l != nil {
		return l
	}
	return english
}

// pattern is the translation of a message.
func (l *Language) pattern(text string) string {
	if l != nil && l.table != nil {
		if f, ok := l.table()[text]; ok {
			return f[plural.Other]
		}
	}
	if i := strings.IndexByte(text, context4); i >= 0 {
		return text[i+1:]
	}
	return text
}

// plural is the translation of a message for a number.
func (l *Language) plural(n int, one, other string) string {
	if l == nil || l.table == nil {
		if n == 1 {
			return one
		}
		return other
	}
	f, ok := l.table()[other]
	if !ok {
		return other
	}
	if s, ok := f[plural.Cardinal.MatchPlural(l.tag, max(n, -n)%10_000_000, 0, 0, 0, 0)]; ok {
		return s
	}
	return f[plural.Other]
}

// formNames are CLDR's names of the forms.
var formNames = map[string]plural.Form{
	"zero": plural.Zero, "one": plural.One, "two": plural.Two, "few": plural.Few, "many": plural.Many, "other": plural.Other,
}

// read gives a checked-in catalogue: texts, or forms by their names.
func read(tag string) map[string]forms {
	table, err := open(tag)
	if err != nil {
		panic("BUG: catalogue " + tag + ": " + err.Error())
	}
	return table
}

func open(tag string) (map[string]forms, error) {
	f, err := catalogue.Open("catalogue/" + tag + ".json.gz")
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return parse(raw)
}

func parse(raw []byte) (map[string]forms, error) {
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, err
	}
	table := make(map[string]forms, len(entries))
	for text, e := range entries {
		var one string
		if json.Unmarshal(e, &one) == nil {
			table[text] = forms{plural.Other: one}
			continue
		}
		var many map[string]string
		if err := json.Unmarshal(e, &many); err != nil {
			return nil, err
		}
		f := forms{}
		for name := range maps.Keys(many) {
			f[formNames[name]] = many[name]
		}
		table[text] = f
	}
	return table, nil
}
