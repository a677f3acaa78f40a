package eventkind

import (
	"context"
	"testing"
	"time"

	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// through is a context of a request to a group.
func through(t *testing.T, group string) context.Context {
	return request.With(t.Context(), &request.Request{Info: request.Info{Group: group, Version: "v1"}})
}

func newEvent() *corev1.Event {
	return &corev1.Event{
		ObjectMeta:          metav1.ObjectMeta{Name: "e", Namespace: "ns"},
		InvolvedObject:      corev1.ObjectReference{Namespace: "ns", Name: "p"},
		EventTime:           metav1.NewMicroTime(time.Unix(1, 0)),
		ReportingController: "c", ReportingInstance: "i", Action: "a", Reason: "r", Type: "Normal",
	}
}

func TestStricterThroughTheNewGroup(t *testing.T) {
	f := func(change func(*corev1.Event), core, events string) {
		t.Helper()
		for group, want := range map[string]string{"": core, "events.k8s.io": events} {
			e := newEvent()
			change(e)
			got := ""
			if err := Strategy().Validate(through(t, group), e).ToAggregate(); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%q\ngot  %s\nwant %s", group, got, want)
			}
		}
	}
	f(func(*corev1.Event) {}, "", "")
	f(func(e *corev1.Event) { e.Type = "Odd" }, "", `type: Invalid value: "": has invalid value: Odd`)
	f(func(e *corev1.Event) {
		e.Count, e.Source.Host, e.FirstTimestamp, e.LastTimestamp = 1, "h", metav1.Unix(1, 0), metav1.Unix(1, 0)
	}, "", `[firstTimestamp: Invalid value: "": needs to be unset, lastTimestamp: Invalid value: "": needs to be unset, count: Invalid value: "": needs to be unset, source: Invalid value: "": needs to be unset]`)
	f(func(e *corev1.Event) { e.EventTime = metav1.MicroTime{} }, "", `eventTime: Required value`)
	f(func(e *corev1.Event) { e.Series = &corev1.EventSeries{Count: 1} }, "", `[series.count: Invalid value: "": should be at least 2, series.lastObservedTime: Required value]`)
	f(func(e *corev1.Event) { e.InvolvedObject.Namespace = "" },
		`involvedObject.namespace: Invalid value: "": does not match event.namespace`, `involvedObject.namespace: Invalid value: "": does not match event.namespace`)
}

func TestOnlyTheSeriesMayChangeThroughTheNewGroup(t *testing.T) {
	old, e := newEvent(), newEvent()
	e.Series = &corev1.EventSeries{Count: 2, LastObservedTime: metav1.NewMicroTime(time.Unix(2, 0))}
	if errs := Strategy().ValidateUpdate(through(t, "events.k8s.io"), e, old); len(errs) > 0 {
		t.Error(errs)
	}
	e.InvolvedObject.Name, e.Message = "q", "new"
	err := Strategy().ValidateUpdate(through(t, "events.k8s.io"), e, old).ToAggregate()
	want := `[involvedObject: Invalid value: {"Kind":"","Namespace":"ns","Name":"q","UID":"","APIVersion":"","ResourceVersion":"","FieldPath":""}: field is immutable, message: Invalid value: "new": field is immutable]`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if errs := Strategy().ValidateUpdate(through(t, ""), e, old); len(errs) > 0 {
		t.Errorf("through core: %v", errs)
	}
}

func TestFields(t *testing.T) {
	e := newEvent()
	names := map[string]string{}
	for _, f := range append(Fields("regarding", "reportingController"), SourceField) {
		names[f.Name] = f.Get(e)
	}
	for name, want := range map[string]string{
		"regarding.name": "p", "regarding.namespace": "ns", "reason": "r", "reportingController": "c", "type": "Normal", "source": "c",
	} {
		if got, there := names[name]; !there || got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
}
