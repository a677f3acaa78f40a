package travel

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/conversion"
)

// Tripv1beta1 is Trip as it was in v1beta1.
type Tripv1beta1 struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   TripSpecv1beta1 `json:"spec,omitempty"`
	Status TripStatus      `json:"status,omitempty"`
}

// TripSpecv1beta1 has both ends in one field.
type TripSpecv1beta1 struct {
	Route string `json:"route"`
	Days  int32  `json:"days,omitempty"`
	Class string `json:"class,omitempty"`
}

// ConvertTo makes a v1.
func (t *Tripv1beta1) ConvertTo(hub conversion.Hub) error {
	out := hub.(*Trip)
	from, to, ok := strings.Cut(t.Spec.Route, " - ")
	if !ok {
		return fmt.Errorf("%q is no route", t.Spec.Route)
	}
	out.ObjectMeta, out.Status = t.ObjectMeta, t.Status
	out.Spec = TripSpec{From: from, To: to, Days: t.Spec.Days, Class: t.Spec.Class}
	return nil
}

// ConvertFrom is made of a v1.
func (t *Tripv1beta1) ConvertFrom(hub conversion.Hub) error {
	in := hub.(*Trip)
	t.ObjectMeta, t.Status = in.ObjectMeta, in.Status
	t.Spec = TripSpecv1beta1{Route: in.Spec.From + " - " + in.Spec.To, Days: in.Spec.Days, Class: in.Spec.Class}
	return nil
}

// DeepCopyObject gives one that shares nothing with this one.
func (t *Tripv1beta1) DeepCopyObject() runtime.Object {
	out := *t
	t.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Status.Conditions = append([]metav1.Condition(nil), t.Status.Conditions...)
	return &out
}
