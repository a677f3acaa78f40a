package certificates

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

type csr = certificatesv1.CertificateSigningRequest

// strategy is that of the main path: a new request carries who asked, an update
// changes neither spec nor status, silently.
func strategy() registry.Strategy {
	return registry.For[*csr]{
		ValidateName:     path.ValidatePathSegmentName,
		PrepareForCreate: noteCaller,
		Validate:         func(_ context.Context, r *csr) field.ErrorList { return validateRequest(r, toleranceFor(r, nil)) },
		PrepareForUpdate: func(_ context.Context, r, old *csr) {
			r.Spec = old.Spec
			r.Status = old.Status
		},
		ValidateUpdate: func(_ context.Context, r, old *csr) field.ErrorList {
			return validateRequestUpdate(r, old, mayChange{})
		},
		ValidatesMetaOnUpdate: 1,
		ResetFields:           map[string][]string{group + "/v1": {"spec", "status"}},
	}.Strategy()
}

// noteCaller replaces what a client says about who asks by who does ask, and
// drops a status.
func noteCaller(ctx context.Context, r *csr) {
	r.Spec.Username, r.Spec.UID, r.Spec.Groups, r.Spec.Extra = "", "", nil, nil
	if user := request.UserFrom(ctx); user != nil {
		r.Spec.Username = user.Name
		r.Spec.UID = user.UID
		r.Spec.Groups = append([]string(nil), user.Groups...)
		for key, values := range user.Extra {
			if r.Spec.Extra == nil {
				r.Spec.Extra = map[string]certificatesv1.ExtraValue{}
			}
			r.Spec.Extra[key] = append(certificatesv1.ExtraValue(nil), values...)
		}
	}
	r.Status = certificatesv1.CertificateSigningRequestStatus{}
}

// statusStrategy is that of /status, where signers put certificates and
// failures.
func statusStrategy(clock registry.Clock) registry.Strategy {
	return registry.For[*csr]{
		PrepareForUpdate: func(_ context.Context, r, old *csr) {
			r.Spec = old.Spec
			keepConditions(r, old, certificatesv1.CertificateApproved)
			keepConditions(r, old, certificatesv1.CertificateDenied)
			stampConditions(r, old, clock)
		},
		ValidateUpdate: func(_ context.Context, r, old *csr) field.ErrorList {
			return validateRequestUpdate(r, old, mayChange{certificate: true})
		},
		ValidatesMetaOnUpdate: 1,
		ResetFields:           map[string][]string{group + "/v1": {"spec"}},
	}.Strategy()
}

// approvalStrategy is that of /approval, where approvers decide.
func approvalStrategy(clock registry.Clock) registry.Strategy {
	return registry.For[*csr]{
		PrepareForUpdate: func(_ context.Context, r, old *csr) {
			r.Spec = old.Spec
			r.Status.Certificate = old.Status.Certificate
			stampConditions(r, old, clock)
		},
		ValidateUpdate: func(_ context.Context, r, old *csr) field.ErrorList {
			return validateRequestUpdate(r, old, mayChange{approval: true})
		},
		ValidatesMetaOnUpdate: 1,
		ResetFields:           map[string][]string{group + "/v1": {"spec", "status.certificate"}},
	}.Strategy()
}

// keepConditions puts the old conditions of a type back; where their number
// changed it leaves that for validation to refuse.
func keepConditions(r, old *csr, t certificatesv1.RequestConditionType) {
	before := conditionsOf(old, t)
	if len(before) != len(conditionsOf(r, t)) {
		return
	}
	for i := range r.Status.Conditions {
		if r.Status.Conditions[i].Type == t {
			r.Status.Conditions[i], before = before[0], before[1:]
		}
	}
}

// stampConditions fills in the times that a client left out; a condition whose
// status is as before keeps its transition time.
func stampConditions(r, old *csr, clock registry.Clock) {
	now := metav1.NewTime(clock())
	for i := range r.Status.Conditions {
		c := &r.Status.Conditions[i]
		if c.LastUpdateTime.IsZero() {
			c.LastUpdateTime = now
		}
		if !c.LastTransitionTime.IsZero() {
			continue
		}
		c.LastTransitionTime = now
		for _, before := range old.Status.Conditions {
			if before.Type == c.Type && before.Status == c.Status && !before.LastTransitionTime.IsZero() {
				c.LastTransitionTime = before.LastTransitionTime
				break
			}
		}
	}
}

func conditionsOf(r *csr, t certificatesv1.RequestConditionType) []certificatesv1.CertificateSigningRequestCondition {
	var out []certificatesv1.CertificateSigningRequestCondition
	for _, c := range r.Status.Conditions {
		if c.Type == t {
			out = append(out, c)
		}
	}
	return out
}
