package apiextensions

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

func customResourceDefinitions() registry.Resource {
	status := customResourceDefinitionStatusStrategy()
	return registry.Resource{
		Group:      group,
		Name:       "customresourcedefinitions",
		Singular:   "customresourcedefinition",
		Kind:       "CustomResourceDefinition",
		ShortNames: []string{"crd", "crds"},
		Categories: []string{"api-extensions"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &apiextensionsv1.CustomResourceDefinition{} },
		}},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

func customResourceDefinitionStatusStrategy() registry.Strategy {
	return registry.For[*apiextensionsv1.CustomResourceDefinition]{}.Strategy()
}
