package audit

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// keptEvents keeps events as they come.
type keptEvents struct{ got []auditv1.Event }

func (l *keptEvents) Write(e *Event) error {
	var out auditv1.Event
	if err := json.Unmarshal(e.Line(), &out); err != nil {
		return err
	}
	l.got = append(l.got, out)
	return nil
}

func (*keptEvents) Close(context.Context) error { return nil }

func TestTruncate(t *testing.T) {
	to := &keptEvents{}
	s := Truncate("test", to, TruncateOptions{MaxEventSize: 1000})
	write := func(e Event) {
		t.Helper()
		e.received, e.at = time.Now(), time.Now()
		if err := s.Write(&e); err != nil {
			t.Fatal(err)
		}
	}
	big := []byte(`{"data":"` + strings.Repeat("x", 2000) + `"}`)
	write(Event{id: "small", request: []byte(`{"a":1}`)})
	write(Event{id: "big", request: big, response: big, annotations: []note{{"a", "b"}}})
	write(Event{id: "huge", uri: "/" + strings.Repeat("x", 2000)})
	if len(to.got) != 2 || to.got[0].RequestObject == nil || to.got[0].Annotations != nil {
		t.Fatalf("%+v", to.got)
	}
	if e := to.got[1]; e.AuditID != "big" || e.RequestObject != nil || e.ResponseObject != nil || e.Annotations[truncatedAnnotation] != "true" || e.Annotations["a"] != "b" {
		t.Errorf("%+v", e)
	}
	if Truncate("test", to, TruncateOptions{}) != Sink(to) {
		t.Error("without a bound nothing is in between")
	}
}

// sizes is a destination that notes how large batches are.
type sizes struct{ got []int }

func (*sizes) encode(e *Event) []byte { return e.Line() }
func (s *sizes) send(_ context.Context, data []byte, _ int) error {
	s.got = append(s.got, len(data))
	return nil
}
func (*sizes) close() error { return nil }

func TestBatchesAreDivided(t *testing.T) {
	to := &sizes{}
	one := Event{id: strings.Repeat("x", 300), received: time.Now(), at: time.Now()}
	length := len(one.Line())
	b := newBatcher("test", BatchOptions{BufferSize: 100, MaxSize: 100, MaxWait: time.Hour, MaxBytes: 2*length + 1}, to)
	for range 5 {
		e := one
		if err := b.Write(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(to.got) != 3 || to.got[0] != 2*length || to.got[2] != length {
		t.Errorf("%v of events of %d bytes", to.got, length)
	}
}
