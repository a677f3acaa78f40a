package flowcontrol

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
)

func priorityLevelConfigurations() registry.Resource {
	status := priorityLevelConfigurationStatusStrategy()
	return registry.Resource{
		Group:    group,
		Name:     "prioritylevelconfigurations",
		Singular: "prioritylevelconfiguration",
		Kind:     "PriorityLevelConfiguration",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &flowcontrolv1.PriorityLevelConfiguration{} },
		}},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

func priorityLevelConfigurationStatusStrategy() registry.Strategy {
	return registry.For[*flowcontrolv1.PriorityLevelConfiguration]{}.Strategy()
}
