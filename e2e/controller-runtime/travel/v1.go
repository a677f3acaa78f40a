// Package travel has the kind Trip in the versions v1 and v1beta1 of
// travel.example.org.
package travel

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group is the kind's.
const Group = "travel.example.org"

// AddToScheme adds both versions.
func AddToScheme(s *runtime.Scheme) error {
	for version, types := range map[string][]runtime.Object{"v1": {&Trip{}, &TripList{}}, "v1beta1": {&Tripv1beta1{}}} {
		gv := schema.GroupVersion{Group: Group, Version: version}
		for _, t := range types {
			name := "Trip"
			if _, list := t.(*TripList); list {
				name = "TripList"
			}
			s.AddKnownTypeWithName(gv.WithKind(name), t)
		}
		metav1.AddToGroupVersion(s, gv)
	}
	return nil
}

// Trip is a journey for which something has to be booked.
type Trip struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   TripSpec   `json:"spec,omitempty"`
	Status TripStatus `json:"status,omitempty"`
}

// TripSpec says where it goes.
type TripSpec struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Days  int32  `json:"days,omitempty"`
	Class string `json:"class,omitempty"`
}

// TripStatus says how far it is.
type TripStatus struct {
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// BookedBy is which manager did it.
	BookedBy string `json:"bookedBy,omitempty"`
}

// TripList is a list of Trips.
type TripList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Trip `json:"items"`
}

// Hub marks v1 as the version through which others are converted.
func (*Trip) Hub() {}

// DeepCopyObject gives a Trip that shares nothing with this one.
func (t *Trip) DeepCopyObject() runtime.Object {
	out := *t
	t.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Status.Conditions = append([]metav1.Condition(nil), t.Status.Conditions...)
	return &out
}

// DeepCopyObject gives a list that shares nothing with this one.
func (l *TripList) DeepCopyObject() runtime.Object {
	out := *l
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]Trip, len(l.Items))
	for i := range l.Items {
		out.Items[i] = *l.Items[i].DeepCopyObject().(*Trip)
	}
	return &out
}
