package plugins

import (
	"context"
	"fmt"

	"pilothouse/backend/admission"
	"pilothouse/backend/authz"

	certificatesv1 "k8s.io/api/certificates/v1"
)

// certificateApproval lets only those approve a request for a certificate who
// may approve for its signer.
type certificateApproval struct {
	handler
	authorizer authz.Authorizer
}

func newCertificateApproval(d *deps) (admission.Plugin, error) {
	return &certificateApproval{handler{"CertificateApproval", on(admission.Update, csr("approval"))}, d.Authorizer}, nil
}

// Validate asks about the signer of the request as it is stored.
func (p *certificateApproval) Validate(ctx context.Context, a *admission.Attributes) error {
	old, ok := a.Old.(*certificatesv1.CertificateSigningRequest)
	if !ok {
		return admission.Forbid(a, fmt.Sprintf("expected type CertificateSigningRequest, got: %T", a.Old))
	}
	if !maySign(ctx, p.authorizer, a.User, "approve", old.Spec.SignerName) {
		return admission.Forbid(a, fmt.Sprintf("user not permitted to approve requests with signerName %q", old.Spec.SignerName))
	}
	return nil
}
