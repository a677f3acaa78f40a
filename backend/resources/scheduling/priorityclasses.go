package scheduling

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	schedulingv1 "k8s.io/api/scheduling/v1"
)

func priorityClasses() registry.Resource {
	return registry.Resource{
		Group:      group,
		Name:       "priorityclasses",
		Singular:   "priorityclass",
		Kind:       "PriorityClass",
		ShortNames: []string{"pc"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &schedulingv1.PriorityClass{} },
		}},
	}
}
