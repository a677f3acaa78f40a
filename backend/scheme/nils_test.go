package scheme

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

func TestEmptyListsAreStoredAsNull(t *testing.T) {
	check := func(obj Object, group, part string) {
		t.Helper()
		gvk := corev1.SchemeGroupVersion.WithKind("X")
		gvk.Group = group
		e, err := Encode(obj, gvk, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(e.Raw), part) {
			t.Errorf("%s has not %s", e.Raw, part)
		}
	}
	check(&rbacv1.Role{Rules: []rbacv1.PolicyRule{}}, rbacv1.GroupName, `"rules":null`)
	check(&rbacv1.Role{Rules: []rbacv1.PolicyRule{{Verbs: []string{}}}}, rbacv1.GroupName, `"rules":[{"verbs":null}]`)
	check(&corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{}}}, "", `"limits":null`)
	check(&discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{{Addresses: []string{}}}, Ports: []discoveryv1.EndpointPort{}}, discoveryv1.GroupName, `"endpoints":[{"addresses":null,"conditions":{}}],"ports":null`)
	check(&corev1.Pod{Spec: corev1.PodSpec{Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{}}}}}}}, "", `"projected":{"sources":null}`)
	check(&corev1.Secret{Data: map[string][]byte{"a": {}}}, "", `"data":{"a":""}`)
	check(&apiextensionsv1.CustomResourceDefinition{Spec: apiextensionsv1.CustomResourceDefinitionSpec{Versions: []apiextensionsv1.CustomResourceDefinitionVersion{}}}, apiextensionsv1.GroupName, `"versions":[]`)
}
