// Package unseen makes characters visible that change how a text looks without
// being seen themselves: those that turn the direction of writing around, those
// without a width, and control characters. A name that has them could pass for
// another one, in a list as well as in the question whether it shall be deleted.
package unseen

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// joiners hold letters together, in emoji and in scripts that have no capitals
// either; beside ASCII they do nothing but hide.
const (
	nonJoiner = '\u200c'
	joiner    = '\u200d'
)

// is tells whether a character after another one is to be made visible.
func is(r, before rune) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return false
	case r < ' ', r >= 0x7f && r < 0xa0, r == 0xad, r == 0x61c, r == 0x180e, r == 0x200b:
		return true
	case r == nonJoiner || r == joiner:
		return before < utf8.RuneSelf
	case r >= 0x200e && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff, r >= 0xfff9 && r <= 0xfffb, r >= 0xe0000 && r <= 0xe007f && before != 0x1f3f4:
		return true
	}
	return false
}

// name is what stands for such a character.
func name(r rune) string { return fmt.Sprintf("[U+%04X]", r) }

// suspicious tells cheaply whether a text can have any of them: most have only
// ASCII, and common signs like arrows and dots are told apart by their first bytes.
func suspicious[T string | []byte](s T) bool {
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b >= ' ' && b < 0x7f || b == '\n' || b == '\t' || b == '\r':
		case b < ' ' || b == 0x7f || b == 0xd8 || b == 0xef || b == 0xf3:
			return true
		case b == 0xc2:
			return true
		case b == 0xe1:
			return true
		case b == 0xe2 && i+1 < len(s) && (s[i+1] == 0x80 || s[i+1] == 0x81):
			return true
		}
	}
	return false
}

// Text gives a text with such characters by their numbers: "a[U+202E]b".
func Text(s string) string {
	if !suspicious(s) {
		return s
	}
	var b strings.Builder
	before := rune(0)
	for i, r := range s {
		if is(r, before) {
			b.WriteString(name(r))
		} else {
			_, n := utf8.DecodeRuneInString(s[i:])
			b.WriteString(s[i : i+n]) // what is no UTF-8 stays as it is
		}
		before = r
	}
	return b.String()
}

// Line is Text for a line of a log, whose control characters are a terminal's.
func Line(s string) string {
	if !suspicious(s) {
		return s
	}
	var b strings.Builder
	before, from := rune(0), 0
	for i, r := range s {
		if r >= 0xa0 && is(r, before) {
			b.WriteString(s[from:i])
			b.WriteString(name(r))
			from = i + utf8.RuneLen(r)
		}
		before = r
	}
	if from == 0 {
		return s
	}
	b.WriteString(s[from:])
	return b.String()
}

// Has tells whether Text would change a text.
func Has(s string) bool { return suspicious(s) && Text(s) != s }

// spoken are attributes that people read or hear; others are for programs and
// stay as they are: addresses, values of forms.
var spoken = [][]byte{[]byte("title"), []byte("aria-label"), []byte("placeholder"), []byte("alt")}

// HTML does the same in what templates made: in its texts and in attributes that
// are read, not in addresses, fields of forms and scripts.
func HTML(page []byte) []byte {
	if !suspicious(page) {
		return page
	}
	out := make([]byte, 0, len(page)+64)
	for len(page) > 0 {
		i := bytes.IndexByte(page, '<')
		if i < 0 {
			i = len(page)
		}
		out = appendText(out, page[:i])
		page = page[i:]
		n := tagEnd(page)
		tag := page[:n]
		out = appendTag(out, tag)
		page = page[n:]
		if end := rawEnd(tag); end != nil {
			n := bytes.Index(page, end)
			if n < 0 {
				n = len(page)
			}
			out = append(out, page[:n]...)
			page = page[n:]
		}
	}
	return out
}

func appendText(out, text []byte) []byte {
	if !suspicious(text) {
		return append(out, text...)
	}
	return append(out, Text(string(text))...)
}

// tagEnd is the length of the tag that a text begins with.
func tagEnd(s []byte) int {
	quoted := false
	for i, b := range s {
		switch {
		case b == '"':
			quoted = !quoted
		case b == '>' && !quoted:
			return i + 1
		}
	}
	return len(s)
}

// rawEnd is what ends an element whose content is not shown as it is, or is a
// field's value; nil for others.
func rawEnd(tag []byte) []byte {
	for _, name := range []string{"textarea", "script", "style"} {
		if rest, ok := bytes.CutPrefix(tag, []byte("<"+name)); ok && len(rest) > 0 && (rest[0] == '>' || rest[0] == ' ') {
			return []byte("</" + name)
		}
	}
	return nil
}

// appendTag appends a tag, with the attributes that are read as texts.
func appendTag(out, tag []byte) []byte {
	if !suspicious(tag) {
		return append(out, tag...)
	}
	for len(tag) > 0 {
		open := bytes.Index(tag, []byte(`="`))
		if open < 0 {
			return append(out, tag...)
		}
		shut := bytes.IndexByte(tag[open+2:], '"')
		if shut < 0 {
			return append(out, tag...)
		}
		key := tag[:open]
		key = key[bytes.LastIndexByte(key, ' ')+1:]
		out = append(out, tag[:open+2]...)
		value := tag[open+2 : open+2+shut]
		if isSpoken(key) {
			out = appendText(out, value)
		} else {
			out = append(out, value...)
		}
		tag = tag[open+2+shut:]
		out, tag = append(out, tag[0]), tag[1:]
	}
	return out
}

func isSpoken(key []byte) bool {
	for _, s := range spoken {
		if bytes.Equal(s, key) {
			return true
		}
	}
	return false
}
