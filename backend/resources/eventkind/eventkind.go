// Package eventkind owns what the two kinds of event share: events of the core
// group and of events.k8s.io are the same stored objects, shown in two forms.
package eventkind

import (
	"context"
	"fmt"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Strategy is the strategy of events. Writes through events.k8s.io are held to
// stricter rules than those through the core group.
func Strategy() registry.Strategy {
	return registry.For[*corev1.Event]{
		SkipsMetaChanges: true,
		// Older clients name events as they like.
		ValidateName: path.ValidatePathSegmentName,
		Validate: func(ctx context.Context, e *corev1.Event) field.ErrorList {
			errs := validateEvent(e)
			if strict(ctx) {
				errs = append(errs, validateNewEvent(e)...)
			}
			return errs
		},
		ValidateUpdate: func(ctx context.Context, e, old *corev1.Event) field.ErrorList {
			errs := validateEvent(e)
			if strict(ctx) {
				errs = append(errs, validateChange(e, old)...)
			}
			return errs
		},
		AllowCreateOnUpdate: true,
		NoPropagation:       true,
	}.Strategy()
}

// strict tells a request to events.k8s.io.
func strict(ctx context.Context) bool {
	r := request.From(ctx)
	return r != nil && r.Info.Group == eventsv1.GroupName
}

// Columns are the columns of events in their table form.
func Columns() []registry.Column {
	doc := corev1.Event{}.SwaggerDoc()
	return []registry.Column{
		printers.Column("Last Seen", doc["lastTimestamp"]),
		printers.Column("Type", doc["type"]),
		printers.Column("Reason", doc["reason"]),
		printers.Column("Object", doc["involvedObject"]),
		printers.Wide("Subobject", corev1.ObjectReference{}.SwaggerDoc()["fieldPath"]),
		printers.Wide("Source", doc["source"]),
		printers.Column("Message", doc["message"]),
		printers.Wide("First Seen", doc["firstTimestamp"]),
		printers.Wide("Count", doc["count"]),
		{Name: "Name", Type: "string", Format: "name", Description: printers.Name.Description, Priority: 1},
	}
}

// Cells is the row of one event.
func Cells(e *corev1.Event, now registry.Clock) []any {
	first := printers.Since(e.FirstTimestamp, now)
	if e.FirstTimestamp.IsZero() {
		first = printers.SinceMicro(e.EventTime, now)
	}
	last := printers.Since(e.LastTimestamp, now)
	if e.LastTimestamp.IsZero() {
		last = first
	}
	count := e.Count
	if e.Series != nil {
		last, count = printers.SinceMicro(e.Series.LastObservedTime, now), e.Series.Count
	} else if count == 0 {
		count = 1
	}
	object := strings.ToLower(e.InvolvedObject.Kind)
	if e.InvolvedObject.Name != "" {
		object += "/" + e.InvolvedObject.Name
	}
	return []any{
		last, e.Type, e.Reason, object, e.InvolvedObject.FieldPath, source(e),
		strings.TrimSpace(e.Message), first, int64(count), e.Name,
	}
}

// source gives who reported an event: "kubelet, node1".
func source(e *corev1.Event) string {
	component, instance := e.Source.Component, e.Source.Host
	if component == "" {
		component = e.ReportingController
	}
	if instance == "" {
		instance = e.ReportingInstance
	}
	if instance == "" {
		return component
	}
	return fmt.Sprintf("%s, %s", component, instance)
}

// Fields are the selectable fields that both kinds have, those of the object
// under the given name and the reporter under its own. Stored events have them
// under the names of the core group.
func Fields(object, reporter string) []registry.Field {
	of := func(name, stored string, get func(*corev1.Event) string) registry.Field {
		f := registry.FieldOf(name, get)
		if name != stored {
			f.Reads = []string{stored}
		}
		return f
	}
	about := func(part string, get func(*corev1.ObjectReference) string) registry.Field {
		return of(object+"."+part, "involvedObject."+part, func(e *corev1.Event) string { return get(&e.InvolvedObject) })
	}
	return []registry.Field{
		about("kind", func(o *corev1.ObjectReference) string { return o.Kind }),
		about("namespace", func(o *corev1.ObjectReference) string { return o.Namespace }),
		about("name", func(o *corev1.ObjectReference) string { return o.Name }),
		about("uid", func(o *corev1.ObjectReference) string { return string(o.UID) }),
		about("apiVersion", func(o *corev1.ObjectReference) string { return o.APIVersion }),
		about("resourceVersion", func(o *corev1.ObjectReference) string { return o.ResourceVersion }),
		about("fieldPath", func(o *corev1.ObjectReference) string { return o.FieldPath }),
		of("reason", "reason", func(e *corev1.Event) string { return e.Reason }),
		of(reporter, "reportingComponent", func(e *corev1.Event) string { return e.ReportingController }),
		of("type", "type", func(e *corev1.Event) string { return e.Type }),
	}
}

// SourceField is the selectable field source, of the core group only.
var SourceField = registry.Field{
	Name:  "source",
	Reads: []string{"source.component", "reportingComponent"},
	Get: func(obj scheme.Object) string {
		e := obj.(*corev1.Event)
		if e.Source.Component != "" {
			return e.Source.Component
		}
		return e.ReportingController
	},
}
