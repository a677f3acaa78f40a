package validate

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestInternalPrintsGoNames(t *testing.T) {
	f := func(value any, want string) {
		t.Helper()
		if got := field.Invalid(field.NewPath("x"), Internal(value), "no").ErrorBody(); got != "Invalid value: "+want+": no" {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(rbacv1.RoleRef{APIGroup: "g", Kind: "Role", Name: "n"}, `{"APIGroup":"g","Kind":"Role","Name":"n"}`)
	f((*corev1.Taint)(nil), `null`)
	f([]corev1.Toleration(nil), `null`)
	f(&corev1.SeccompProfile{Type: "RuntimeDefault"}, `{"Type":"RuntimeDefault","LocalhostProfile":null}`)
	f(map[corev1.ResourceName]resource.Quantity{"b": resource.MustParse("2"), "a": resource.MustParse("1Gi")}, `{"a":"1Gi","b":"2"}`)
	f(corev1.HTTPGetAction{Port: intstr.FromInt32(8)}, `{"Path":"","Port":8,"Host":"","Scheme":"","HTTPHeaders":null}`)
	f(corev1.TopologySpreadConstraint{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}},
		`{"MaxSkew":0,"TopologyKey":"","WhenUnsatisfiable":"","LabelSelector":{"matchLabels":{"a":"b"}},"MinDomains":null,"NodeAffinityPolicy":null,"NodeTaintsPolicy":null,"MatchLabelKeys":null}`)
	f(corev1.LocalObjectReference{Name: "x"}, `{"Name":"x"}`)
	f(corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "x"}, Key: "k"}, `{"Name":"x","Key":"k","Optional":null}`)
	f("plain", `"plain"`)
}

func TestResourceNames(t *testing.T) {
	f := func(check func(corev1.ResourceName, *field.Path) field.ErrorList, name corev1.ResourceName, want string) {
		t.Helper()
		got := ""
		if err := check(name, field.NewPath("x")).ToAggregate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	f(ResourceName, "cpu", "")
	f(ResourceName, "nothing", `x: Invalid value: "nothing": must be a standard resource type or fully qualified`)
	f(ResourceName, "example.com/gpu", "")
	f(ContainerResourceName, "storage", `x: Invalid value: "storage": must be a standard resource for containers`)
	f(ContainerResourceName, "hugepages-2Mi", "")
	f(ContainerResourceName, "requests.example.com/gpu", `x: Invalid value: "requests.example.com/gpu": doesn't follow extended resource name standard`)
	f(QuotaResourceName, "requests.storage", "")
	f(QuotaResourceName, "count/deployments.apps", "")
	f(QuotaResourceName, "storage", `x: Invalid value: "storage": must be a standard resource for quota`)
}

func TestQuantities(t *testing.T) {
	f := func(name corev1.ResourceName, value, want string) {
		t.Helper()
		got := ""
		if err := QuantityOf(name, resource.MustParse(value), field.NewPath("x")).ToAggregate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s %s: got %q, want %q", name, value, got, want)
		}
	}
	f("pods", "1.5", `x: Invalid value: "1500m": must be an integer`)
	f("example.com/gpu", "1500m", `x: Invalid value: "1500m": must be an integer`)
	f("cpu", "1.5", "")
	f("cpu", "-1", `x: Invalid value: "-1": must be greater than or equal to 0`)
}

func TestNodeSelector(t *testing.T) {
	f := func(s corev1.NodeSelector, want string) {
		t.Helper()
		got := ""
		if err := NodeSelector(&s, false, field.NewPath("x")).ToAggregate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(corev1.NodeSelector{}, "x.nodeSelectorTerms: Required value: must have at least one node selector term")
	term := func(r corev1.NodeSelectorRequirement) corev1.NodeSelector {
		return corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{r}}}}
	}
	f(term(corev1.NodeSelectorRequirement{Key: "a", Operator: "In"}), "x.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'")
	f(term(corev1.NodeSelectorRequirement{Key: "a", Operator: "Like"}), `x.nodeSelectorTerms[0].matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator`)
	f(corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{{Key: "spec.x", Operator: "In", Values: []string{"n"}}}}}},
		`x.nodeSelectorTerms[0].matchFields[0].key: Invalid value: "spec.x": not a valid field selector key`)
}
