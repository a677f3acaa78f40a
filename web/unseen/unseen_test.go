package unseen

import (
	"strings"
	"testing"
)

func TestCharactersThatHideAreShown(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := Text(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if got := Text(want); got != want {
			t.Errorf("done again %q is %q", want, got)
		}
		if Has(in) != (in != want) {
			t.Errorf("Has(%q) is %t", in, Has(in))
		}
	}
	f("web-1", "web-1")
	f("admin\u202enimda", "admin[U+202E]nimda")
	f("\u2067a\u2069", "[U+2067]a[U+2069]")
	f("a\u200bb\ufeff", "a[U+200B]b[U+FEFF]")
	f("\x00\x1b[31m\x7f\u0085", "[U+0000][U+001B][31m[U+007F][U+0085]")
	f("a\u2028b\u00adc\u061c", "a[U+2028]b[U+00AD]c[U+061C]")
	f("a\u200db", "a[U+200D]b")
	// What people write stays: other scripts, emoji, punctuation, lines.
	f("שלום 👩‍👩‍👧‍👦 می‌خواهم – “so” … → ● ▲\n\t\r\u00a0é", "שלום 👩‍👩‍👧‍👦 می‌خواهم – “so” … → ● ▲\n\t\r\u00a0é")
	f("\xff\u202e", "\xff[U+202E]")
}

func TestLinesKeepTheSequencesOfTerminals(t *testing.T) {
	for in, want := range map[string]string{"\x1b[31mred\x1b[0m\tא": "\x1b[31mred\x1b[0m\tא", "\x1b[1ma\u202eb\u2066": "\x1b[1ma[U+202E]b[U+2066]", "\xff\x00\u200b": "\xff\x00[U+200B]"} {
		if got := Line(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestOnlyWhatIsReadChangesInHTML(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		in, want = strings.ReplaceAll(in, "~", "\u202e"), strings.ReplaceAll(want, "~", "\u202e")
		if got := string(HTML([]byte(in))); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	f(`<b>a~b</b>c~`, `<b>a[U+202E]b</b>c[U+202E]`)
	f(`<a href="/x~" title="x > ~" data-name="~" aria-label="~">~</a>`, `<a href="/x~" title="x > [U+202E]" data-name="~" aria-label="[U+202E]">[U+202E]</a>`)
	f(`<input value="~" disabled><textarea name="text">~</textarea><p>~`, `<input value="~" disabled><textarea name="text">~</textarea><p>[U+202E]`)
	f(`<script type="application/json">"~"</script><style>~</style>~`, `<script type="application/json">"~"</script><style>~</style>[U+202E]`)
	f(`<textareas>~</textareas>`, `<textareas>[U+202E]</textareas>`)
	f(`<a title="~`, `<a title="~`)
	f(`plain <b>page</b> – ●`, `plain <b>page</b> – ●`)
}

func FuzzHTML(f *testing.F) {
	f.Add(`<a title="x">a</a><textarea>b</textarea>`)
	f.Fuzz(func(t *testing.T, s string) {
		once := string(HTML([]byte(s)))
		if again := string(HTML([]byte(once))); again != once {
			t.Errorf("%q: %q, then %q", s, once, again)
		}
	})
}

func BenchmarkHTML(b *testing.B) {
	page := []byte(strings.Repeat(`<tr><td class="name"><a href="/ui/api/v1/namespaces/shop/pods/web-1">web-1</a></td><td><span class="tone good"><i aria-hidden="true">●</i>Running</span></td></tr>`, 100))
	b.SetBytes(int64(len(page)))
	for b.Loop() {
		HTML(page)
	}
}
