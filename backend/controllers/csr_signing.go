package controllers

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"pilothouse/backend/pki"

	certificatesv1 "k8s.io/api/certificates/v1"
)

// Lifetimes of certificates: what is not said otherwise and at most, at least,
// how far they begin in the past, and from which lifetime on that is taken off
// the end.
const (
	maxCertificateLife = 365 * 24 * time.Hour
	minCertificateLife = 10 * time.Minute
	backdate           = 5 * time.Minute
	longLife           = 8 * time.Hour
)

// signers are the signers whose requests this server signs with its own
// authority, and what they check.
var signers = map[string]func(*x509.CertificateRequest, []certificatesv1.KeyUsage) error{
	certificatesv1.KubeAPIServerClientSignerName:        checkAPIClient,
	certificatesv1.KubeAPIServerClientKubeletSignerName: checkKubeletClient,
	certificatesv1.KubeletServingSignerName:             checkKubeletServing,
}

// newSigning signs approved requests.
func newSigning(d Deps) func(context.Context) error {
	return newRequests(d, "csrsigning", func(ctx context.Context, r *csr) (time.Duration, error) { return 0, signRequest(ctx, d, r) })
}

func signRequest(ctx context.Context, d Deps, r *csr) error {
	check := signers[r.Spec.SignerName]
	if check == nil || d.CA == nil || !has(r, certificatesv1.CertificateApproved) || has(r, certificatesv1.CertificateDenied) || has(r, certificatesv1.CertificateFailed) {
		return nil
	}
	x, err := parseRequest(r)
	if err != nil {
		return fmt.Errorf("unable to parse csr %q: %w", r.Name, err)
	}
	if err := check(x, r.Spec.Usages); err != nil {
		failed := withCondition(r, certificatesv1.CertificateFailed, "SignerValidationFailure", err.Error())
		return d.Client.UpdateSubresource(ctx, signingRequests, "status", failed)
	}
	next := r.DeepCopy()
	if next.Status.Certificate, err = sign(d.CA, x, r, d.Clock()); err != nil {
		return fmt.Errorf("error auto signing csr: %w", err)
	}
	return d.Client.UpdateSubresource(ctx, signingRequests, "status", next)
}

func sign(ca *pki.KeyPair, x *x509.CertificateRequest, r *csr, now time.Time) ([]byte, error) {
	usage, extended, err := usagesOf(r.Spec.Usages)
	if err != nil {
		return nil, err
	}
	life := certificateLife(r.Spec.ExpirationSeconds)
	end := now.Add(life)
	if life >= longLife {
		end = end.Add(-backdate)
	}
	return ca.SignRequest(x, pki.RequestOptions{
		KeyUsage: usage, ExtKeyUsage: extended, NotBefore: now.Add(-backdate), NotAfter: end,
	})
}

// certificateLife is the lifetime that was asked for, within bounds.
func certificateLife(asked *int32) time.Duration {
	if asked == nil {
		return maxCertificateLife
	}
	return min(maxCertificateLife, max(minCertificateLife, time.Duration(*asked)*time.Second))
}

var keyUsages = map[certificatesv1.KeyUsage]x509.KeyUsage{
	certificatesv1.UsageDigitalSignature: x509.KeyUsageDigitalSignature,
	certificatesv1.UsageKeyEncipherment:  x509.KeyUsageKeyEncipherment,
}

var extendedUsages = map[certificatesv1.KeyUsage]x509.ExtKeyUsage{
	certificatesv1.UsageServerAuth: x509.ExtKeyUsageServerAuth,
	certificatesv1.UsageClientAuth: x509.ExtKeyUsageClientAuth,
}

// usagesOf gives what usages mean in a certificate. The signers' checks let no
// other ones through.
func usagesOf(usages []certificatesv1.KeyUsage) (usage x509.KeyUsage, extended []x509.ExtKeyUsage, err error) {
	for _, u := range usages {
		if k, ok := keyUsages[u]; ok {
			usage |= k
		} else if e, ok := extendedUsages[u]; ok {
			extended = append(extended, e)
		} else {
			return 0, nil, fmt.Errorf("unrecognized usage values: %q", u)
		}
	}
	slices.Sort(extended)
	return usage, slices.Compact(extended), nil
}
