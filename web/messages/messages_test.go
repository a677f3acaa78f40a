package messages

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
	"golang.org/x/text/feature/plural"
)

// german is a language with a few messages of its own.
func german() *Language {
	l := translated("de", "Deutsch")
	l.table = func() map[string]forms {
		return map[string]forms{
			"Delete %s":            {plural.Other: "%s löschen"},
			"%s of %s":             {plural.Other: "%[2]s: %[1]s"},
			"%d of %d":             {plural.Other: "%d von %d"},
			"%d objects":           {plural.One: "%d Objekt", plural.Other: "%d Objekte"},
			"You act as %s now.":   {plural.Other: "Jetzt als %s tätig."},
			"there is no kind %s":  {plural.Other: "die Art %s gibt es nicht"},
			"Delete":               {plural.Other: "Löschen"},
			"100 % of what is < 1": {plural.Other: "100 % von < 1"},
		}
	}
	return l
}

func TestEnglishIsTheKey(t *testing.T) {
	f := func(want, got string) {
		t.Helper()
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	ctx := context.Background()
	f("Delete web", T(ctx, "Delete %s", "web"))
	f("100 % of what is < 1", T(ctx, "100 % of what is < 1"))
	f("4,213 of 1,000,000", T(ctx, "%d of %d", 4213, int64(1_000_000)))
	f("1 object", N(ctx, 1, "%d object", "%d objects"))
	f("0 objects", N(ctx, 0, "%d object", "%d objects"))
	f("2 objects in shop", N(ctx, 2, "%d object in %s", "%d objects in %s", "shop"))
	f("-1,234", Number(ctx, -1234))
	f("-123", Number(ctx, -123))
	f("", T(ctx, ""))
	f("<none> %s", T(ctx, Said("<none> %s")))
	var none *Language
	f("Delete web", none.T("Delete %s", "web"))
	f("2,000 objects", none.N(2000, "%d object", "%d objects"))
}

func TestALanguage(t *testing.T) {
	f := func(want, got string) {
		t.Helper()
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	l := german()
	f("web löschen", l.T("Delete %s", "web"))
	f("shop: web", l.T("%s of %s", "web", "shop"))
	f("4.213 von 999", l.T("%d of %d", 4213, 999))
	f("1 Objekt", l.N(1, "%d object", "%d objects"))
	f("2.000 Objekte", l.N(2000, "%d object", "%d objects"))
	f("not translated 1.000", l.T("not translated %d", 1000))
	f("Löschen löschen", l.T("Delete %s", Text("Delete")))
	f("Delete", l.T(Said("Delete")))
	f("Delete", l.T(Data("Delete")))
}

func TestErrorsAreSaidInALanguage(t *testing.T) {
	inner := errors.New("etcd is away")
	err := Errorf("there is no kind %s", "Gadget")
	if err.Error() != "there is no kind Gadget" || german().Error(err) != "die Art Gadget gibt es nicht" {
		t.Errorf("%q, %q", err.Error(), german().Error(err))
	}
	if german().Error(inner) != "etcd is away" {
		t.Error("an error of the API was changed")
	}
	if err := Errorf("not known: %s", inner); !errors.Is(err, inner) || err.Error() != "not known: etcd is away" {
		t.Errorf("%v does not wrap", err)
	}
}

func TestMarkupStandsWhereTheMessageHasIt(t *testing.T) {
	strong := templ.Raw("<b>dora</b>")
	f := func(l *Language, want string, c templ.Component) {
		t.Helper()
		var b strings.Builder
		if err := c.Render(With(context.Background(), l), &b); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("%q, want %q", b.String(), want)
		}
	}
	f(english, "You act as <b>dora</b> now.", Rich("You act as %s now.", strong))
	f(german(), "Jetzt als <b>dora</b> tätig.", Rich("You act as %s now.", strong))
	f(german(), "a &lt;b&gt;: <b>dora</b>", Rich("%s of %s", strong, "a <b>"))
	f(pseudo, "⟦You act as ⟧<b>dora</b>⟦ now.⟧", Rich("You act as %s now.", strong))
}

func TestThePseudoLanguageMarks(t *testing.T) {
	if s := pseudo.T("Delete %s", "web"); s != "⟦Delete web⟧" {
		t.Error(s)
	}
	if s := pseudo.N(2, "%d object", "%d objects"); s != "⟦2 objects⟧" {
		t.Error(s)
	}
	if AsIs(Data("web"))["translate"] != "no" || AsIs("Delete") != nil || AsIs(Said("web")) != nil {
		t.Error("data alone is not to be translated")
	}
	if s := pseudo.T(Said("web")); s != "web" {
		t.Error(s)
	}
}

func TestChoose(t *testing.T) {
	f := func(chosen, accept, want string) {
		t.Helper()
		if got := Choose(chosen, accept); got.Tag != want {
			t.Errorf("%q, %q: %s, want %s", chosen, accept, got.Tag, want)
		}
	}
	f("", "", "en")
	f("de", "fr", "de")
	f("en", "de", "en")
	f("tlh", "de-AT,de;q=0.9", "de")
	f("", "de-CH, en;q=0.5", "de")
	f("", "fr,de;q=0.8,en;q=0.7", "de")
	f("", "en-US,en;q=0.9,de;q=0.8", "en")
	f("", "ja", "en")
	f("", ";;;", "en")
	f("", strings.Repeat("de,", 1000), "en")
	f("", "en-XA", "en-XA")
	f("en-XA", "", "en") // nobody chooses it
}

func BenchmarkT(b *testing.B) {
	ctx := With(context.Background(), english)
	for b.Loop() {
		T(ctx, "Delete")
	}
}

func TestDatesFollowTheLanguage(t *testing.T) {
	f := func(tag, want string, date func(*Language, time.Time) string) {
		t.Helper()
		if got := date(Find(tag), time.Date(2026, 3, 5, 9, 10, 11, 12e6, time.UTC)); got != want {
			t.Errorf("%s: %q, want %q", tag, got, want)
		}
	}
	f("en", "5 Mar 09:10:11", (*Language).Moment)
	f("de", "5. März 09:10:11", (*Language).Moment)
	f("en", "5 Mar 2026 09:10:11.012 UTC", (*Language).Exact)
	f("de", "5. März 2026 09:10:11.012 UTC", (*Language).Exact)
	f("en", "5 Mar 2026 09:10 UTC", (*Language).Minute)
	f("en", "Thu 5 Mar 09:10 UTC", (*Language).Weekday)
	f("de", "Do, 5. März 09:10 UTC", (*Language).Weekday)
}
