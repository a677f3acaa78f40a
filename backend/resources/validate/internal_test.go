package validate

import (
	"encoding/json"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestInternal(t *testing.T) {
	f := func(v any, want string) {
		t.Helper()
		got, err := json.Marshal(Internal(v))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	f(rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "other"},
		`{"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"other"}`)
	f(&storagev1.CSINodeDriver{Name: "d", NodeID: "n", TopologyKeys: []string{"a"}, Allocatable: &storagev1.VolumeNodeResources{Count: new(int32(3))}},
		`{"Name":"d","NodeID":"n","TopologyKeys":["a"],"Allocatable":{"Count":3}}`)
	f(resourcev1.DeviceCapacity{Value: resource.MustParse("1Gi")}, `{"Value":"1Gi","RequestPolicy":null}`)
	f(resourcev1.DeviceClaimConfiguration{Requests: []string{"r"}}, `{"Requests":["r"],"Opaque":null}`)
	f(map[string]rbacv1.Subject{"b": {}, "a": {Kind: "User"}},
		`{"a":{"Kind":"User","APIGroup":"","Name":"","Namespace":""},"b":{"Kind":"","APIGroup":"","Name":"","Namespace":""}}`)
	f(resourcev1.ResourceClaimTemplateSpec{}, `{"Spec":{"Devices":{"Requests":null,"Constraints":null,"Config":null}}}`)
	f(resourcev1.ResourceClaimTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}}},
		`{"labels":{"a":"b"},"Spec":{"Devices":{"Requests":null,"Constraints":null,"Config":null}}}`)
	f(nil, `null`)
	f([]byte("hi"), `"aGk="`)
}
