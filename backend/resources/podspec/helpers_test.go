package podspec

import (
	"encoding/json"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

// pod reads a pod from YAML; a spec without containers gets one.
func pod(t testing.TB, text string) *v1.Pod {
	t.Helper()
	p := &v1.Pod{}
	if err := yaml.UnmarshalStrict([]byte(text), p); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if p.Name == "" {
		p.Name = "p"
	}
	if p.Spec.Containers == nil {
		p.Spec.Containers = []v1.Container{{Name: "c", Image: "i:1"}}
	}
	return p
}

// stored reads a pod and makes it what the server would have stored.
func stored(t testing.TB, text string) *v1.Pod {
	t.Helper()
	p := pod(t, text)
	SetPodDefaults(p)
	p.Spec.ServiceAccountName = "default"
	SetPodDefaults(p)
	p.Status.QOSClass = ComputeQOS(&p.Spec)
	return p
}

// lines are errors as the server says them.
func lines(errs field.ErrorList) []string {
	out := []string{}
	for _, err := range errs {
		out = append(out, err.Error())
	}
	return out
}

func expect(t testing.TB, what string, got, want []string) {
	t.Helper()
	if len(got) == 0 && len(want) == 0 {
		return
	}
	g, _ := json.MarshalIndent(got, "", "  ")
	w, _ := json.MarshalIndent(want, "", "  ")
	if string(g) != string(w) {
		t.Errorf("%s\ngot  %s\nwant %s", what, g, w)
	}
}

// asJSON gives a part of an object as JSON.
func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
