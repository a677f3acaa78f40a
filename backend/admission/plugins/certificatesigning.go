package plugins

import (
	"bytes"
	"context"
	"fmt"

	"pilothouse/backend/admission"
	"pilothouse/backend/authz"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// certificateSigning lets only those issue a certificate who may sign for the
// signer of its request.
type certificateSigning struct {
	handler
	authorizer authz.Authorizer
}

func newCertificateSigning(d *deps) (admission.Plugin, error) {
	return &certificateSigning{handler{"CertificateSigning", on(admission.Update, csr("status"))}, d.Authorizer}, nil
}

// Validate asks when the certificate or a condition changes.
func (p *certificateSigning) Validate(ctx context.Context, a *admission.Attributes) error {
	old, ok := a.Old.(*certificatesv1.CertificateSigningRequest)
	if !ok {
		return admission.Forbid(a, fmt.Sprintf("expected type CertificateSigningRequest, got: %T", a.Old))
	}
	next, ok := a.Object.(*certificatesv1.CertificateSigningRequest)
	if !ok {
		return admission.Forbid(a, fmt.Sprintf("expected type CertificateSigningRequest, got: %T", a.Object))
	}
	if bytes.Equal(old.Status.Certificate, next.Status.Certificate) && equality.Semantic.DeepEqual(old.Status.Conditions, next.Status.Conditions) {
		return nil
	}
	if !maySign(ctx, p.authorizer, a.User, "sign", old.Spec.SignerName) {
		return admission.Forbid(a, fmt.Sprintf("user not permitted to sign requests with signerName %q", old.Spec.SignerName))
	}
	return nil
}
