package plugins

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"pilothouse/backend/admission"
	"pilothouse/backend/request"

	certificatesv1 "k8s.io/api/certificates/v1"
)

// certificateSubjectRestriction refuses requests for client certificates of the
// group that may do everything.
type certificateSubjectRestriction struct{ handler }

func newCertificateSubjectRestriction(*deps) (admission.Plugin, error) {
	return &certificateSubjectRestriction{handler{"CertificateSubjectRestriction", on(admission.Create, csr(""))}}, nil
}

// Validate looks at the organizations of the request's subject.
func (p *certificateSubjectRestriction) Validate(_ context.Context, a *admission.Attributes) error {
	r, ok := a.Object.(*certificatesv1.CertificateSigningRequest)
	if !ok {
		return admission.Forbid(a, fmt.Sprintf("expected type CertificateSigningRequest, got: %T", a.Object))
	}
	if r.Spec.SignerName != certificatesv1.KubeAPIServerClientSignerName {
		return nil
	}
	parsed, err := parseRequest(r.Spec.Request)
	if err != nil {
		return admission.Forbid(a, fmt.Sprintf("failed to parse CSR: %v", err))
	}
	if slices.Contains(parsed.Subject.Organization, request.GroupMasters) {
		return admission.Forbid(a, fmt.Sprintf("use of %s signer with system:masters group is not allowed", certificatesv1.KubeAPIServerClientSignerName))
	}
	return nil
}

func parseRequest(text []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("PEM block type must be CERTIFICATE REQUEST")
	}
	return x509.ParseCertificateRequest(block.Bytes)
}
