package prefs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPreferencesSurviveARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.json")
	a, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{a.SetList("ann", "/pods", "cols=Name"), a.SetView("ann", View{" mine ", "/ui/x"}), a.SetView("ann", View{"mine", "/ui/y"}), a.SetView("ann", View{"b", "/ui/b"}), a.SetCompact("ann", true)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := a.DraftKey("ann")
	if err != nil || len(key) != 32 {
		t.Fatalf("key of drafts: %x, %v", key, err)
	}
	b, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.List("ann", "/pods"); got != "cols=Name" {
		t.Errorf("list %q", got)
	}
	if again, err := b.DraftKey("ann"); err != nil || !bytes.Equal(again, key) {
		t.Errorf("another key of drafts than before: %v", err)
	}
	if other, err := b.DraftKey("bob"); err != nil || bytes.Equal(other, key) {
		t.Errorf("bob has ann's key of drafts: %v", err)
	}
	if !b.Compact("ann") || b.Compact("bob") {
		t.Errorf("compact rows: ann %v, bob %v", b.Compact("ann"), b.Compact("bob"))
	}
	if v := b.Views("ann"); len(v) != 2 || v[1] != (View{"mine", "/ui/y"}) {
		t.Errorf("views %v", v)
	}
	if b.List("bob", "/pods") != "" || b.Views("bob") != nil {
		t.Error("others have ann's preferences")
	}
	if err := b.SetList("ann", "/pods", ""); err != nil || b.List("ann", "/pods") != "" {
		t.Error("as usual again is not", err)
	}
	if err := b.SetWidths("ann", "/pods", "name=30"); err != nil || b.Widths("ann", "/pods") != "name=30" || b.Widths("bob", "/pods") != "" || b.List("ann", "/pods") != "" {
		t.Error("widths are kept beside the columns", err)
	}
	if err := b.SetWidths("ann", "/pods", ""); err != nil || b.Widths("ann", "/pods") != "" {
		t.Error("widths as usual again are not", err)
	}
	if err := b.DropView("ann", "mine"); err != nil || len(b.Views("ann")) != 1 {
		t.Error("the view is still there", err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestPreferencesHaveBounds(t *testing.T) {
	p, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	if p.SetView("a", View{Name: ""}) == nil || p.SetView("a", View{Name: strings.Repeat("x", 61)}) == nil || p.SetList("a", "/p", strings.Repeat("x", 5000)) == nil {
		t.Error("what is too long or empty is kept")
	}
	for i := range maxViews + 1 {
		err = p.SetView("a", View{Name: strings.Repeat("x", i%50+1) + string(rune('a'+i/50)), Href: "/ui/"})
	}
	if err == nil {
		t.Error("there is no end to views")
	}
}

func TestAFileThatCannotBeReadIsNoReasonNotToStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Open(file)
	if err != nil || p.Views("a") != nil {
		t.Errorf("%v", err)
	}
}
