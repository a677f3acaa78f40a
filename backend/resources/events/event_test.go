package events

import (
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Nothing gets lost on the way from one form to the other and back.
func TestEventsConvertBothWays(t *testing.T) {
	e := &corev1.Event{
		TypeMeta:            metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta:          metav1.ObjectMeta{Name: "e", Namespace: "ns", Labels: map[string]string{"a": "b"}},
		InvolvedObject:      corev1.ObjectReference{Kind: "Pod", Name: "p"},
		Reason:              "r",
		Message:             "m",
		Source:              corev1.EventSource{Component: "c", Host: "h"},
		FirstTimestamp:      metav1.Unix(1, 0),
		LastTimestamp:       metav1.Unix(2, 0),
		Count:               3,
		Type:                "Normal",
		EventTime:           metav1.NewMicroTime(time.Unix(4, 0)),
		Series:              &corev1.EventSeries{Count: 5, LastObservedTime: metav1.NewMicroTime(time.Unix(6, 0))},
		Action:              "a",
		Related:             &corev1.ObjectReference{Kind: "Node"},
		ReportingController: "rc",
		ReportingInstance:   "ri",
	}
	v := reflect.ValueOf(*e)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("the test leaves %s out", v.Type().Field(i).Name)
		}
	}
	there, err := fromCore(e)
	if err != nil {
		t.Fatal(err)
	}
	if gvk := there.GetObjectKind().GroupVersionKind().String(); gvk != "events.k8s.io/v1, Kind=Event" {
		t.Errorf("kind %s", gvk)
	}
	back, err := toCore(there)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, e) {
		t.Errorf("got  %+v\nwant %+v", back, e)
	}
}
