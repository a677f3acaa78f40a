package validate

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// A field that a new version of Kubernetes adds must get its place in the
// internal form.
func TestShapesHaveEveryField(t *testing.T) {
	f := func(v1, internal reflect.Type, elsewhere ...string) {
		t.Helper()
		moved := map[string]bool{}
		for _, name := range elsewhere {
			moved[name] = true
		}
		for i := range v1.NumField() {
			name := v1.Field(i).Name
			if _, there := internal.FieldByName(name); !there && !moved[name] {
				t.Errorf("%s has no %s", internal, name)
			}
		}
	}
	inSecurityContext := []string{"HostNetwork", "HostPID", "HostIPC", "ShareProcessNamespace", "HostUsers"}
	f(reflect.TypeFor[corev1.PodSpec](), reflect.TypeFor[internalPodSpec](), append(inSecurityContext, "DeprecatedServiceAccount")...)
	f(reflect.TypeFor[corev1.PodSecurityContext](), reflect.TypeFor[internalPodSecurityContext]())
	for _, name := range inSecurityContext {
		if _, there := reflect.TypeFor[internalPodSecurityContext]().FieldByName(name); !there {
			t.Errorf("the security context has no %s", name)
		}
	}
	f(reflect.TypeFor[corev1.VolumeSource](), reflect.TypeOf(volumeSourceShape(corev1.VolumeSource{})))
}

func TestInternalPodSpec(t *testing.T) {
	spec := corev1.PodSpec{HostNetwork: true, NodeName: "n", SecurityContext: &corev1.PodSecurityContext{RunAsUser: new(int64(5))}}
	b, err := json.Marshal(Internal(spec))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"NodeName":"n"`, `"SecurityContext":{"HostNetwork":true,"HostPID":false,`, `"RunAsUser":5`} {
		if !strings.Contains(string(b), part) {
			t.Errorf("no %s in %s", part, b)
		}
	}
}
