package apiregistration

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

func apiServices() registry.Resource {
	status := aPIServiceStatusStrategy()
	return registry.Resource{
		Group:      group,
		Name:       "apiservices",
		Singular:   "apiservice",
		Kind:       "APIService",
		Categories: []string{"api-extensions"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &apiregistrationv1.APIService{} },
		}},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

func aPIServiceStatusStrategy() registry.Strategy {
	return registry.For[*apiregistrationv1.APIService]{}.Strategy()
}
