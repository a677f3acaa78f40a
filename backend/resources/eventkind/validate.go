package eventkind

import (
	"fmt"
	"reflect"

	"pilothouse/backend/resources/validate"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// How long the texts of an event may be, in bytes.
const (
	maxWord = 128
	maxNote = 1024
)

// validateEvent holds for every event. One with an eventTime comes from a
// client of the newer form.
func validateEvent(e *corev1.Event) field.ErrorList {
	var errs field.ErrorList
	if e.EventTime.IsZero() {
		errs = validateOldForm(e)
	} else {
		errs = validateNewForm(e)
	}
	return append(errs, validate.Messages(field.NewPath("namespace"), e.Namespace, validation.IsDNS1123Subdomain(e.Namespace))...)
}

func foreignNamespace(e *corev1.Event) *field.Error {
	return field.Invalid(field.NewPath("involvedObject", "namespace"), e.InvolvedObject.Namespace, "does not match event.namespace")
}

func validateOldForm(e *corev1.Event) field.ErrorList {
	about := e.InvolvedObject.Namespace
	if about == "" && (e.Namespace == metav1.NamespaceNone || e.Namespace == metav1.NamespaceDefault) || about != "" && about == e.Namespace {
		return nil
	}
	return field.ErrorList{foreignNamespace(e)}
}

func validateNewForm(e *corev1.Event) field.ErrorList {
	var errs field.ErrorList
	if e.InvolvedObject.Namespace == "" && e.Namespace != metav1.NamespaceDefault && e.Namespace != metav1.NamespaceSystem {
		errs = append(errs, foreignNamespace(e))
	}
	controller := field.NewPath("reportingController")
	if e.ReportingController == "" {
		errs = append(errs, field.Required(controller, ""))
	}
	errs = append(errs, validate.QualifiedName(e.ReportingController, controller)...)
	word := func(name, value string) {
		path := field.NewPath(name)
		if value == "" {
			errs = append(errs, field.Required(path, ""))
		}
		errs = append(errs, atMost(path, value, maxWord)...)
	}
	word("reportingInstance", e.ReportingInstance)
	word("action", e.Action)
	word("reason", e.Reason)
	return append(errs, atMost(field.NewPath("message"), e.Message, maxNote)...)
}

func atMost(path *field.Path, value string, limit int) field.ErrorList {
	if len(value) <= limit {
		return nil
	}
	return field.ErrorList{field.Invalid(path, "", fmt.Sprintf("can have at most %v characters", limit))}
}

// validateNewEvent holds for what is created through events.k8s.io: the
// deprecated fields are not for it.
func validateNewEvent(e *corev1.Event) field.ErrorList {
	var errs field.ErrorList
	if e.Name != "" {
		errs = validate.Messages(field.NewPath("metadata", "name"), e.Name, apivalidation.NameIsDNSSubdomain(e.Name, false))
	}
	errs = append(errs, validateSeries(e)...)
	if e.EventTime.IsZero() {
		errs = append(errs, field.Required(field.NewPath("eventTime"), ""))
	}
	if e.Type != corev1.EventTypeNormal && e.Type != corev1.EventTypeWarning {
		errs = append(errs, field.Invalid(field.NewPath("type"), "", fmt.Sprintf("has invalid value: %v", e.Type)))
	}
	unset := func(name string, isUnset bool) {
		if !isUnset {
			errs = append(errs, field.Invalid(field.NewPath(name), "", "needs to be unset"))
		}
	}
	unset("firstTimestamp", e.FirstTimestamp.IsZero())
	unset("lastTimestamp", e.LastTimestamp.IsZero())
	unset("count", e.Count == 0)
	unset("source", e.Source == corev1.EventSource{})
	return errs
}

func validateSeries(e *corev1.Event) field.ErrorList {
	if e.Series == nil {
		return nil
	}
	var errs field.ErrorList
	if e.Series.Count < 2 {
		errs = append(errs, field.Invalid(field.NewPath("series.count"), "", "should be at least 2"))
	}
	if e.Series.LastObservedTime.IsZero() {
		errs = append(errs, field.Required(field.NewPath("series.lastObservedTime"), ""))
	}
	return errs
}

// validateChange lets an update through events.k8s.io change nothing but the
// series.
func validateChange(e, old *corev1.Event) field.ErrorList {
	var errs field.ErrorList
	if !reflect.DeepEqual(e.Series, old.Series) {
		errs = append(errs, validateSeries(e)...)
	}
	fixed := func(name string, value, was any) {
		if wrong := apivalidation.ValidateImmutableField(value, was, field.NewPath(name)); len(wrong) > 0 {
			errs = append(errs, field.Invalid(field.NewPath(name), validate.Internal(value), apivalidation.FieldImmutableErrorMsg))
		}
	}
	fixed("involvedObject", e.InvolvedObject, old.InvolvedObject)
	fixed("reason", e.Reason, old.Reason)
	fixed("message", e.Message, old.Message)
	fixed("source", e.Source, old.Source)
	fixed("firstTimestamp", e.FirstTimestamp, old.FirstTimestamp)
	fixed("lastTimestamp", e.LastTimestamp, old.LastTimestamp)
	fixed("count", e.Count, old.Count)
	fixed("reason", e.Reason, old.Reason)
	fixed("type", e.Type, old.Type)
	fixed("eventTime", e.EventTime, old.EventTime)
	fixed("action", e.Action, old.Action)
	fixed("related", e.Related, old.Related)
	fixed("reportingController", e.ReportingController, old.ReportingController)
	fixed("reportingInstance", e.ReportingInstance, old.ReportingInstance)
	return errs
}
