package controllers

import (
	"context"
	"fmt"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/klog/v2"
)

var accessReviews = authorizationv1.SchemeGroupVersion.WithResource("subjectaccessreviews")

// newApproving approves kubelets' requests for client certificates when who asks
// has the right to one: for itself (selfnodeclient) or for any node (nodeclient).
func newApproving(d Deps) func(context.Context) error {
	return newRequests(d, "csrapproving", func(ctx context.Context, r *csr) (time.Duration, error) { return approve(ctx, d, r) })
}

func approve(ctx context.Context, d Deps, r *csr) (again time.Duration, err error) {
	if r.Spec.SignerName != certificatesv1.KubeAPIServerClientKubeletSignerName || has(r, certificatesv1.CertificateApproved) || has(r, certificatesv1.CertificateDenied) {
		return 0, nil
	}
	x, err := parseRequest(r)
	if err != nil {
		return 0, fmt.Errorf("unable to parse csr %q: %w", r.Name, err)
	}
	if checkKubeletClient(x, r.Spec.Usages) != nil {
		return 0, nil
	}
	for _, right := range []struct {
		subresource, message string
		applies              bool
	}{
		{"selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview.", r.Spec.Username == x.Subject.CommonName},
		{"nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.", true},
	} {
		if !right.applies {
			continue
		}
		allowed, err := mayHave(ctx, d, r, right.subresource)
		if err != nil {
			return 0, err
		}
		if allowed {
			return 0, d.Client.UpdateSubresource(ctx, signingRequests, "approval", withCondition(r, certificatesv1.CertificateApproved, "AutoApproved", right.message))
		}
	}
	klog.V(4).InfoS("Certificate signing request is recognized, but access review was not approved", "csr", r.Name)
	return pendingAgain, nil
}

// mayHave asks whether who made a request may create that subresource of
// requests, which exists for this question only.
func mayHave(ctx context.Context, d Deps, r *csr, subresource string) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: r.Spec.Username, UID: r.Spec.UID, Groups: r.Spec.Groups,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Group: certificatesv1.GroupName, Resource: signingRequests.Resource, Verb: "create", Subresource: subresource,
		},
	}}
	for key, values := range r.Spec.Extra {
		if review.Spec.Extra == nil {
			review.Spec.Extra = map[string]authorizationv1.ExtraValue{}
		}
		review.Spec.Extra[key] = authorizationv1.ExtraValue(values)
	}
	if err := d.Client.Create(ctx, accessReviews, "", review); err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}
