package controllers

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/informer"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

var signingRequests = certificatesv1.SchemeGroupVersion.WithResource("certificatesigningrequests")

type csr = certificatesv1.CertificateSigningRequest

// pendingAgain is when a request that nobody may approve is looked at again: a
// role may have been given meanwhile.
const pendingAgain = time.Minute

// newRequests runs do for every certificate signing request that is there or
// changes. The object is shared.
func newRequests(d Deps, name string, do func(ctx context.Context, r *csr) (again time.Duration, err error)) func(context.Context) error {
	requests := informer.New(d.Shared, signingRequests, "", func() *csr { return &csr{} })
	q := loop.NewQueue[string](name)
	requests.OnChange(func(_, r *csr) {
		if r != nil {
			q.Add(r.Name)
		}
	})
	handle := func(ctx context.Context, name string) error {
		r, ok := requests.Get("", name)
		if !ok || r.DeletionTimestamp != nil || len(r.Status.Certificate) > 0 {
			return nil
		}
		again, err := do(ctx, r)
		if again > 0 {
			q.AddAfter(name, again)
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	return func(ctx context.Context) error {
		return loop.Together(ctx, requests.Run, func(ctx context.Context) error { return q.Work(ctx, 2, handle) })
	}
}

// has tells whether a request has a condition.
func has(r *csr, t certificatesv1.RequestConditionType) bool {
	return slices.ContainsFunc(r.Status.Conditions, func(c certificatesv1.CertificateSigningRequestCondition) bool {
		return c.Type == t && c.Status != corev1.ConditionFalse
	})
}

func parseRequest(r *csr) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(r.Spec.Request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("PEM block type must be CERTIFICATE REQUEST")
	}
	return x509.ParseCertificateRequest(block.Bytes)
}

// sameUsages compares usages as sets.
func sameUsages(has []certificatesv1.KeyUsage, want ...certificatesv1.KeyUsage) bool {
	sorted := func(l []certificatesv1.KeyUsage) []certificatesv1.KeyUsage {
		return slices.Compact(slices.Sorted(slices.Values(l)))
	}
	return slices.Equal(sorted(has), sorted(want))
}

const nodePrefix = "system:node:"

// checkKubeletClient says what is wrong with a kubelet's request for a client
// certificate, in Kubernetes' words.
func checkKubeletClient(x *x509.CertificateRequest, usages []certificatesv1.KeyUsage) error {
	switch {
	case !slices.Equal(x.Subject.Organization, []string{"system:nodes"}):
		return errors.New("subject organization is not system:nodes")
	case len(x.DNSNames) > 0:
		return errors.New("DNS subjectAltNames are not allowed")
	case len(x.EmailAddresses) > 0:
		return errors.New("Email subjectAltNames are not allowed") //nolint:staticcheck // Kubernetes' words
	case len(x.IPAddresses) > 0:
		return errors.New("IP subjectAltNames are not allowed")
	case len(x.URIs) > 0:
		return errors.New("URI subjectAltNames are not allowed")
	case !strings.HasPrefix(x.Subject.CommonName, nodePrefix):
		return errors.New("subject common name does not begin with system:node:")
	}
	return checkUsages(usages, certificatesv1.UsageClientAuth)
}

// checkKubeletServing is the same for a serving certificate.
func checkKubeletServing(x *x509.CertificateRequest, usages []certificatesv1.KeyUsage) error {
	switch {
	case !slices.Equal(x.Subject.Organization, []string{"system:nodes"}):
		return errors.New("subject organization is not system:nodes")
	case len(x.DNSNames) == 0 && len(x.IPAddresses) == 0:
		return errors.New("DNS or IP subjectAltName is required")
	case len(x.EmailAddresses) > 0:
		return errors.New("Email subjectAltNames are not allowed") //nolint:staticcheck // Kubernetes' words
	case len(x.URIs) > 0:
		return errors.New("URI subjectAltNames are not allowed")
	}
	if err := checkUsages(usages, certificatesv1.UsageServerAuth); err != nil {
		return err
	}
	if !strings.HasPrefix(x.Subject.CommonName, nodePrefix) {
		return errors.New("subject common name does not begin with system:node:")
	}
	return nil
}

// checkUsages wants signing and one authentication, with key encipherment (RSA)
// or without.
func checkUsages(usages []certificatesv1.KeyUsage, auth certificatesv1.KeyUsage) error {
	full := []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageKeyEncipherment, auth}
	if sameUsages(usages, full...) || sameUsages(usages, certificatesv1.UsageDigitalSignature, auth) {
		return nil
	}
	return fmt.Errorf("usages did not match %v", slices.Sorted(slices.Values(full)))
}

// checkAPIClient is the same for any client of the API.
func checkAPIClient(_ *x509.CertificateRequest, usages []certificatesv1.KeyUsage) error {
	for _, u := range usages {
		switch u {
		case certificatesv1.UsageDigitalSignature, certificatesv1.UsageKeyEncipherment, certificatesv1.UsageClientAuth:
		default:
			return fmt.Errorf("invalid usage for client certificate: %s", u)
		}
	}
	if !slices.Contains(usages, certificatesv1.UsageClientAuth) {
		return fmt.Errorf("missing required usage for client certificate: %s", certificatesv1.UsageClientAuth)
	}
	return nil
}

// withCondition gives a copy of a request with one more condition.
func withCondition(r *csr, t certificatesv1.RequestConditionType, reason, message string) *csr {
	next := r.DeepCopy()
	next.Status.Conditions = append(next.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: t, Status: corev1.ConditionTrue, Reason: reason, Message: message,
	})
	return next
}

// Requests are cleaned away so long after their last condition, or after they
// were made when nobody has decided.
const (
	keepDecided = time.Hour
	keepPending = 24 * time.Hour
	cleanEvery  = time.Hour
)

// newCleaner removes certificate signing requests that nobody needs any more.
func newCleaner(d Deps) func(context.Context) error {
	requests := informer.New(d.Shared, signingRequests, "", func() *csr { return &csr{} })
	clean := func(ctx context.Context) error {
		<-requests.Synced()
		for ctx.Err() == nil {
			for _, r := range requests.List() {
				if !isOver(r, d.Clock()) {
					continue
				}
				klog.V(2).InfoS("Certificate signing request is cleaned away", "csr", r.Name)
				if err := d.Client.Delete(ctx, signingRequests, "", r.Name, &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(r.UID))}); err != nil && !apierrors.IsNotFound(err) {
					klog.ErrorS(err, "Certificate signing request cannot be cleaned away", "csr", r.Name)
				}
			}
			loop.Wait(ctx, cleanEvery)
		}
		return ctx.Err()
	}
	return func(ctx context.Context) error { return loop.Together(ctx, requests.Run, clean) }
}

// isOver tells a request that was decided an hour ago, has been pending for a
// day, or whose certificate has expired.
func isOver(r *csr, now time.Time) bool {
	if len(r.Status.Conditions) == 0 {
		return now.Sub(r.CreationTimestamp.Time) > keepPending
	}
	for _, c := range r.Status.Conditions {
		if !c.LastUpdateTime.IsZero() && now.Sub(c.LastUpdateTime.Time) > keepDecided {
			return true
		}
	}
	block, _ := pem.Decode(r.Status.Certificate)
	if block == nil {
		return false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	return err == nil && now.After(cert.NotAfter)
}
