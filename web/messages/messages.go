// Package messages owns the languages of the dashboard. The English text is the
// key of a message, so pages and templates read as they print:
//
//	messages.T(ctx, "Delete %s %s?", kind, name)
//	messages.N(ctx, n, "%d object", "%d objects")
//
// Keys are constants of the type Text; catalogue/en.json, which collect writes,
// lists all of them, and each other file of catalogue translates them. A message
// is a whole sentence; what it names goes in as an argument, markup by Rich.
// docs/adding-a-language.md tells how to add a language. It never imports
// another package of the dashboard. Read this file first, then language.go.
package messages

import (
	"context"
	"fmt"
	"strings"

	"github.com/a-h/templ"
)

//go:generate go run ./collect -out catalogue/en.json -scripts scripts.jsonl

// Text is a message in English, the key of its translations. Only constants are
// collected: what comes from elsewhere is no Text but Data, and what is
// translated already is Said.
type Text string

// What begins a Text that is printed as it is.
const (
	said = "\x00"
	data = "\x01"
)

// Said is what T has given, where a Text is wanted.
func Said(text string) Text { return Text(said + text) }

// Data is a name that is the same in every language, where a Text is wanted.
func Data(name string) Text { return Text(data + name) }

// AsIs are the attributes of an element that shows a text: of one that has Data,
// that it is not to be translated.
func AsIs(text Text) templ.Attributes {
	if strings.HasPrefix(string(text), data) {
		return templ.Attributes{"translate": "no"}
	}
	return nil
}

// T gives a message in the language of a context, with its arguments: %s, %d
// (which the language groups: 4,213), also %[2]s.
func T(ctx context.Context, text Text, args ...any) string { return From(ctx).T(text, args...) }

// N gives the message for a number, which is the first argument of both forms.
func N(ctx context.Context, n int, one, other Text, args ...any) string {
	return From(ctx).N(n, one, other, args...)
}

// T is the package's T in a language; nil is English.
func (l *Language) T(text Text, args ...any) string {
	s := string(text)
	if s == "" {
		return ""
	}
	if s[0] == said[0] || s[0] == data[0] {
		return s[1:]
	}
	return l.mark(l.format(l.pattern(s), args))
}

// N is the package's N in a language; nil is English.
func (l *Language) N(n int, one, other Text, args ...any) string {
	return l.mark(l.format(l.plural(n, string(one), string(other)), append([]any{n}, args...)))
}

func (l *Language) format(pattern string, args []any) string {
	if len(args) == 0 {
		return pattern
	}
	return fmt.Sprintf(pattern, l.arguments(args)...)
}

// arguments are the arguments of a message as the language writes them.
func (l *Language) arguments(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case int:
			out[i] = number{int64(a), l}
		case int32:
			out[i] = number{int64(a), l}
		case int64:
			out[i] = number{a, l}
		case Text:
			out[i] = l.T(a)
		case error:
			out[i] = l.Error(a)
		default:
			out[i] = a
		}
	}
	return out
}

// Marks of the pseudo language, by which tests tell messages from other text.
const (
	opening = "⟦"
	closing = "⟧"
)

func (l *Language) mark(s string) string {
	if l == nil || !l.pseudo {
		return s
	}
	return opening + s + closing
}
