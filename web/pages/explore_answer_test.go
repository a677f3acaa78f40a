package pages

import (
	"testing"
	"time"
)

func TestLargeAnswersAreKeptForAWhile(t *testing.T) {
	now := time.Unix(1000, 0)
	a := NewAnswers(func() time.Time { return now })
	first := a.keep("ann", "application/json", []byte("[1]"))
	second := a.keep("ann", "application/json", []byte("[2]"))
	other := a.keep("bob", "text/plain", make([]byte, maxAnswer))
	for what, want := range map[[2]string]bool{
		{"ann", first}: false, {"ann", second}: true, {"bob", second}: false, {"bob", other}: true, {"bob", ""}: false,
	} {
		if _, ok := a.find(what[0], what[1]); ok != want {
			t.Errorf("found %v: %v", what, ok)
		}
	}
	if a.keep("eve", "text/plain", make([]byte, maxAnswer+1)) != "" {
		t.Error("an answer beyond the bound is kept")
	}
	a.keep("eve", "text/plain", make([]byte, maxAnswer))
	if _, ok := a.find("ann", second); ok {
		t.Error("the oldest answer is kept beyond the bound of all")
	}
	now = now.Add(keptAnswerFor + time.Second)
	if _, ok := a.find("bob", other); ok {
		t.Error("an answer is kept for too long")
	}
}

func TestJSONIsIndentedToBeRead(t *testing.T) {
	for _, one := range []struct{ kind, body, want string }{
		{"application/json", `{"a":1}`, "{\n  \"a\": 1\n}"}, {"application/json", `{"a":`, `{"a":`}, {"text/plain", `{"a":1}`, `{"a":1}`},
	} {
		if got := string(indented(one.kind, []byte(one.body))); got != one.want {
			t.Errorf("%s of %s gives %q", one.body, one.kind, got)
		}
	}
}
