package certificates

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	certificatesv1 "k8s.io/api/certificates/v1"
)

func certificateSigningRequests() registry.Resource {
	approval := certificateSigningRequestApprovalStrategy()
	status := certificateSigningRequestStatusStrategy()
	return registry.Resource{
		Group:      group,
		Name:       "certificatesigningrequests",
		Singular:   "certificatesigningrequest",
		Kind:       "CertificateSigningRequest",
		ShortNames: []string{"csr"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &certificatesv1.CertificateSigningRequest{} },
		}},
		Subresources: []registry.Subresource{
			{Name: "approval", Verbs: []string{"get", "patch", "update"}, Strategy: &approval},
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

func certificateSigningRequestApprovalStrategy() registry.Strategy {
	return registry.For[*certificatesv1.CertificateSigningRequest]{}.Strategy()
}

func certificateSigningRequestStatusStrategy() registry.Strategy {
	return registry.For[*certificatesv1.CertificateSigningRequest]{}.Strategy()
}
