package certificates

import (
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	certificatesv1 "k8s.io/api/certificates/v1"
	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// certificateSigningRequests ask a signer for a certificate. Who asked is taken
// from the request, the spec is fixed once created, approval and certificate
// have paths of their own.
func certificateSigningRequests(clock registry.Clock) registry.Resource {
	doc := certificatesv1beta1.CertificateSigningRequestSpec{}.SwaggerDoc()
	approval, status := approvalStrategy(clock), statusStrategy(clock)
	verbs := []string{"get", "patch", "update"}
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
		Strategy: strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Age,
			printers.Column("SignerName", doc["signerName"]),
			printers.Column("Requestor", doc["request"]),
			printers.Column("RequestedDuration", doc["expirationSeconds"]),
			printers.Column("Condition", certificatesv1beta1.CertificateSigningRequestStatus{}.SwaggerDoc()["conditions"]),
		},
		Cells: registry.Row(cells),
		Fields: []registry.Field{
			registry.FieldOf("spec.signerName", func(r *certificatesv1.CertificateSigningRequest) string { return r.Spec.SignerName }),
		},
		Subresources: []registry.Subresource{
			{Name: "approval", Verbs: verbs, Strategy: &approval},
			{Name: "status", Verbs: verbs, Strategy: &status},
		},
	}
}

func cells(r *certificatesv1.CertificateSigningRequest, now registry.Clock) []any {
	signer, lifetime := "<none>", "<none>"
	if r.Spec.SignerName != "" {
		signer = r.Spec.SignerName
	}
	if r.Spec.ExpirationSeconds != nil {
		lifetime = duration.HumanDuration(time.Duration(*r.Spec.ExpirationSeconds) * time.Second)
	}
	return []any{r.Name, printers.Since(r.CreationTimestamp, now), signer, r.Spec.Username, lifetime, condition(r)}
}

// condition sums up how far a request has come.
func condition(r *certificatesv1.CertificateSigningRequest) string {
	has := func(t certificatesv1.RequestConditionType) bool { return len(conditionsOf(r, t)) > 0 }
	out := "Pending"
	if has(certificatesv1.CertificateDenied) {
		out = "Denied"
	} else if has(certificatesv1.CertificateApproved) {
		out = "Approved"
	}
	if has(certificatesv1.CertificateFailed) {
		out += ",Failed"
	}
	if len(r.Status.Certificate) > 0 {
		out += ",Issued"
	}
	return out
}
