package policy

import (
	"testing"

	"pilothouse/backend/registry"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestBudgetValidation(t *testing.T) {
	strategy := podDisruptionBudgetResource(&registry.Env{}).Strategy
	f := func(spec policyv1.PodDisruptionBudgetSpec, want string) {
		t.Helper()
		got := ""
		if err := strategy.Validate(t.Context(), &policyv1.PodDisruptionBudget{Spec: spec}).ToAggregate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	one, half, most := new(intstr.FromInt32(1)), new(intstr.FromString("50%")), new(intstr.FromString("101%"))
	f(policyv1.PodDisruptionBudgetSpec{}, "")
	f(policyv1.PodDisruptionBudgetSpec{MinAvailable: half}, "")
	f(policyv1.PodDisruptionBudgetSpec{MinAvailable: one, MaxUnavailable: half},
		`spec: Invalid value: {"MinAvailable":1,"Selector":null,"MaxUnavailable":"50%","UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set`)
	f(policyv1.PodDisruptionBudgetSpec{MaxUnavailable: most}, `spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%`)
	f(policyv1.PodDisruptionBudgetSpec{MaxUnavailable: new(intstr.FromInt32(-1))}, `spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0`)
	f(policyv1.PodDisruptionBudgetSpec{MaxUnavailable: new(intstr.FromString("x"))},
		`spec.maxUnavailable: Invalid value: "x": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')`)
	f(policyv1.PodDisruptionBudgetSpec{UnhealthyPodEvictionPolicy: new(policyv1.UnhealthyPodEvictionPolicyType("Never"))},
		`spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget"`)
	f(policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "In"}}}},
		"spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'")
}

func TestBudgetGenerationFollowsTheSpec(t *testing.T) {
	strategy := podDisruptionBudgetResource(&registry.Env{}).Strategy
	b := &policyv1.PodDisruptionBudget{Status: policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: 3}}
	strategy.PrepareForCreate(t.Context(), b)
	if b.Generation != 1 || b.Status.DisruptionsAllowed != 0 {
		t.Errorf("created %+v", b)
	}
	same := b.DeepCopy()
	strategy.PrepareForUpdate(t.Context(), same, b)
	if same.Generation != 1 {
		t.Errorf("generation %d without a change", same.Generation)
	}
	changed := b.DeepCopy()
	changed.Spec.MinAvailable = new(intstr.FromInt32(2))
	strategy.PrepareForUpdate(t.Context(), changed, b)
	if changed.Generation != 2 {
		t.Errorf("generation %d after a change", changed.Generation)
	}
}

func TestBudgetStatusValidation(t *testing.T) {
	r := podDisruptionBudgetResource(&registry.Env{})
	status := r.Subresources[0].Strategy
	b := &policyv1.PodDisruptionBudget{Status: policyv1.PodDisruptionBudgetStatus{CurrentHealthy: -1, Conditions: []metav1.Condition{{Type: "X"}}}}
	err := status.ValidateUpdate(t.Context(), b, b).ToAggregate()
	want := `[status.conditions[0].status: Unsupported value: "": supported values: "False", "True", "Unknown", status.conditions[0].lastTransitionTime: Required value, status.conditions[0].reason: Required value, status.currentHealthy: Invalid value: -1: must be greater than or equal to 0]`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	cells := r.Cells(&policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "b"}}, nil)
	if cells[1] != "N/A" || cells[3] != int64(0) || len(cells) != len(r.Columns) {
		t.Errorf("cells %v", cells)
	}
}
