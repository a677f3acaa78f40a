package stories

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

var declared = regexp.MustCompile(`(?m)^templ ([A-Z]\w*)\(`)

// A view that is new has to be in the storybook.
func TestEveryViewHasAStory(t *testing.T) {
	var have []string
	for _, s := range All() {
		if !slices.Contains(have, s.View) {
			have = append(have, s.View)
		}
	}
	var all []string
	for pkg, dir := range map[string]string{"templates": "..", "pages": "../pages"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.templ"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range declared.FindAllSubmatch(raw, -1) {
				all = append(all, pkg+"."+string(m[1]))
			}
		}
	}
	for _, name := range all {
		if !slices.Contains(have, name) {
			t.Errorf("%s has no story", name)
		}
	}
	for _, name := range have {
		if !slices.Contains(all, name) {
			t.Errorf("the story of %s is of no view", name)
		}
	}
}

func TestStoriesCanBeShown(t *testing.T) {
	for _, s := range All() {
		var first, second bytes.Buffer
		if err := s.Document().Render(t.Context(), &first); err != nil {
			t.Errorf("%s %s: %v", s.View, s.State, err)
		}
		for _, again := range All() {
			if again.View == s.View && again.State == s.State {
				if err := again.Document().Render(t.Context(), &second); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
					t.Errorf("%s %s is not the same again: %v", s.View, s.State, err)
				}
			}
		}
	}
}

// BenchmarkViews renders every story once.
func BenchmarkViews(b *testing.B) {
	list := All()
	var out bytes.Buffer
	for b.Loop() {
		out.Reset()
		for _, s := range list {
			if err := s.Body.Render(b.Context(), &out); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.SetBytes(int64(out.Len()))
}
