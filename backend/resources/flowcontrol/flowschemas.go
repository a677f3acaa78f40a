package flowcontrol

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
)

func flowSchemas() registry.Resource {
	status := flowSchemaStatusStrategy()
	return registry.Resource{
		Group:    group,
		Name:     "flowschemas",
		Singular: "flowschema",
		Kind:     "FlowSchema",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &flowcontrolv1.FlowSchema{} },
		}},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

func flowSchemaStatusStrategy() registry.Strategy {
	return registry.For[*flowcontrolv1.FlowSchema]{}.Strategy()
}
