package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/resources/eventkind"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
)

func eventResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "events",
		Singular:   "event",
		Kind:       "Event",
		ShortNames: []string{"ev"},
		Namespaced: true,
		Versions:   []registry.Version{{Name: "v1", New: func() scheme.Object { return &corev1.Event{} }}},
		Strategy:   eventkind.Strategy(),
		TTL:        env.EventTTL,
		Columns:    eventkind.Columns(),
		Cells:      registry.Row(eventkind.Cells),
		Fields:     append(eventkind.Fields("involvedObject", "reportingComponent"), eventkind.SourceField),
	}
}
