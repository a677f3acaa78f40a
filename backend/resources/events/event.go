package events

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/resources/eventkind"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func eventResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:      "events.k8s.io",
		Name:       "events",
		Singular:   "event",
		Kind:       "Event",
		ShortNames: []string{"ev"},
		Namespaced: true,
		StoredAs:   &schema.GroupResource{Resource: "events"},
		Stored:     &registry.Version{Name: "v1", New: func() scheme.Object { return &corev1.Event{} }},
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &eventsv1.Event{} },
			ToHub:   toCore,
			FromHub: fromCore,
		}},
		Strategy: eventkind.Strategy(),
		TTL:      env.EventTTL,
		Columns:  eventkind.Columns(),
		Cells:    registry.Row(eventkind.Cells),
		Fields:   eventkind.Fields("regarding", "reportingController"),
	}
}

// toCore gives an event in the form of the core group, which is how events are
// stored. It shares memory with obj.
func toCore(obj scheme.Object) (scheme.Object, error) {
	e := obj.(*eventsv1.Event)
	out := &corev1.Event{
		ObjectMeta:          e.ObjectMeta,
		InvolvedObject:      e.Regarding,
		Reason:              e.Reason,
		Message:             e.Note,
		Source:              e.DeprecatedSource,
		FirstTimestamp:      e.DeprecatedFirstTimestamp,
		LastTimestamp:       e.DeprecatedLastTimestamp,
		Count:               e.DeprecatedCount,
		Type:                e.Type,
		EventTime:           e.EventTime,
		Action:              e.Action,
		Related:             e.Related,
		ReportingController: e.ReportingController,
		ReportingInstance:   e.ReportingInstance,
	}
	out.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Event"))
	if e.Series != nil {
		out.Series = &corev1.EventSeries{Count: e.Series.Count, LastObservedTime: e.Series.LastObservedTime}
	}
	return out, nil
}

// fromCore gives a stored event in the form of events.k8s.io. It shares memory
// with obj.
func fromCore(obj scheme.Object) (scheme.Object, error) {
	e := obj.(*corev1.Event)
	out := &eventsv1.Event{
		ObjectMeta:               e.ObjectMeta,
		Regarding:                e.InvolvedObject,
		Reason:                   e.Reason,
		Note:                     e.Message,
		DeprecatedSource:         e.Source,
		DeprecatedFirstTimestamp: e.FirstTimestamp,
		DeprecatedLastTimestamp:  e.LastTimestamp,
		DeprecatedCount:          e.Count,
		Type:                     e.Type,
		EventTime:                e.EventTime,
		Action:                   e.Action,
		Related:                  e.Related,
		ReportingController:      e.ReportingController,
		ReportingInstance:        e.ReportingInstance,
	}
	out.SetGroupVersionKind(eventsv1.SchemeGroupVersion.WithKind("Event"))
	if e.Series != nil {
		out.Series = &eventsv1.EventSeries{Count: e.Series.Count, LastObservedTime: e.Series.LastObservedTime}
	}
	return out, nil
}
