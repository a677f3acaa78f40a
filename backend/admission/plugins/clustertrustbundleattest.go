package plugins

import (
	"context"
	"fmt"

	"pilothouse/backend/admission"
	"pilothouse/backend/authz"

	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// clusterTrustBundleAttest lets only those write a bundle of a signer who may
// attest for it.
type clusterTrustBundleAttest struct {
	handler
	authorizer authz.Authorizer
}

func newClusterTrustBundleAttest(d *deps) (admission.Plugin, error) {
	return &clusterTrustBundleAttest{handler{"ClusterTrustBundleAttest", writes(target{group: certificatesGroup, resource: "clustertrustbundles"})}, d.Authorizer}, nil
}

// Validate asks unless nothing but owners and finalizers changes.
func (p *clusterTrustBundleAttest) Validate(ctx context.Context, a *admission.Attributes) error {
	bundle, ok := a.Object.(*certificatesv1beta1.ClusterTrustBundle)
	if !ok {
		return admission.Forbid(a, fmt.Sprintf("expected type ClusterTrustBundle, got: %T", a.Object))
	}
	if bundle.Spec.SignerName == "" {
		return nil
	}
	if old, ok := a.Old.(*certificatesv1beta1.ClusterTrustBundle); ok && a.Operation == admission.Update && onlyHousekeeping(bundle, old) {
		return nil
	}
	if !maySign(ctx, p.authorizer, a.User, "attest", bundle.Spec.SignerName) {
		return admission.Forbid(a, fmt.Sprintf("user not permitted to attest for signerName %q", bundle.Spec.SignerName))
	}
	return nil
}

// onlyHousekeeping tells that an update is of the kind that garbage collection
// and the migration of storage make.
func onlyHousekeeping(next, old *certificatesv1beta1.ClusterTrustBundle) bool {
	copied := next.DeepCopy()
	copied.OwnerReferences, copied.Finalizers, copied.ManagedFields = old.OwnerReferences, old.Finalizers, old.ManagedFields
	copied.TypeMeta = old.TypeMeta
	return equality.Semantic.DeepEqual(copied, old)
}
