package request

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/diff"
)

func TestLife(t *testing.T) {
	var nobody *Request
	for _, r := range []*Request{nobody, {}} { // nothing is followed, nothing happens
		r.Mark("a")
		r.Step(1, "b", &More{})
		r.KnownBy("c")
		r.Wrote(Written{})
		if r.Detailed() || r.Elapsed() != 0 {
			t.Error("details of a request that nobody follows")
		}
	}
	r := &Request{Received: time.Now(), Info: Info{IsResource: true, Resource: "pods"}}
	l := r.Follow(&Budget{PerSecond: 1})
	r.KnownBy("token")
	r.KnownBy("other")
	r.Mark("Authenticated")
	r.Step(1, "Plugin", &More{Changes: []diff.Change{{Path: "a", After: json.RawMessage("1")}}})
	r.Mark("Admitted")
	marks := l.Marks()
	if l.Authenticator() != "token" || len(marks) != 3 || marks[1].Depth != 1 || marks[2].At < marks[0].At || string(marks[1].More.Changes[0].After) != "1" {
		t.Errorf("%+v", marks)
	}
	for range 2 * maxMarks {
		r.Mark("more")
		r.Wrote(Written{Revision: 1})
	}
	written, more := r.Written()
	if len(l.Marks()) != maxMarks || len(written) != maxWritten || more != 2*maxMarks-maxWritten {
		t.Error(len(l.Marks()), len(written), more)
	}
}

func TestLifeHidesSecrets(t *testing.T) {
	r := &Request{Received: time.Now(), Info: Info{IsResource: true, Resource: "secrets"}}
	l := r.Follow(nil)
	changes := []diff.Change{{Path: "data.password", Before: json.RawMessage(`"b2xk"`), After: json.RawMessage(`"bmV3"`)}}
	r.Step(1, "Plugin", &More{Changes: changes})
	got := l.Marks()[0].More.Changes[0]
	if got.Path != "data.password" || string(got.Before) != `"(hidden)"` || string(got.After) != `"(hidden)"` || string(changes[0].After) != `"bmV3"` {
		t.Errorf("%s", got)
	}
}

func TestDetailsAreBounded(t *testing.T) {
	b, now, taken := &Budget{PerSecond: 3}, time.Unix(100, 0), 0
	follow := func(at time.Time) {
		r := &Request{Received: at}
		r.Follow(b)
		if r.Detailed() != r.Detailed() {
			t.Error("the answer has changed")
		}
		if r.Detailed() {
			taken++
		}
	}
	for range 10 {
		follow(now)
	}
	if taken != 3 {
		t.Error(taken)
	}
	follow(now.Add(time.Second))
	if taken != 4 {
		t.Error(taken)
	}
}

// countingHeader is a header that must not be read by two at once: the race
// detector sees it.
type countingHeader struct{ reads int }

func (h *countingHeader) Get(string) string             { h.reads++; return "kubectl" }
func (h *countingHeader) Values(string) []string        { return nil }
func (h *countingHeader) Each(func(name, value string)) {}

// A request that deletes a collection writes from several goroutines.
func TestAuthorNoteIsWrittenOnce(t *testing.T) {
	h := &countingHeader{}
	r := &Request{ID: "one", Header: h, User: &User{Name: "jane"}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if a, ok := ReadAuthor(r.AuthorNote("a")); !ok || a.User != "jane" || a.Agent != "kubectl" || a.Server != "a" {
				t.Errorf("%+v %v", a, ok)
			}
		})
	}
	wg.Wait()
	if h.reads != 1 {
		t.Errorf("the header was read %d times", h.reads)
	}
}
