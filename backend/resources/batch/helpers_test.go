package batch

import (
	"encoding/json"
	"testing"
	"time"

	"pilothouse/backend/registry"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

var env = &registry.Env{Clock: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }}

func read(t testing.TB, text string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}

// job reads the spec of a job, with a template that restarts nothing unless the
// text has one, and makes the job a new one.
func job(t testing.TB, spec string) *batchv1.Job {
	t.Helper()
	j := &batchv1.Job{}
	j.Name, j.UID = "j", "u-1"
	read(t, `{template: {spec: {restartPolicy: Never, containers: [{name: c, image: "i:1"}]}}}`, &j.Spec)
	read(t, spec, &j.Spec)
	setJobDefaults(j)
	jobStrategy(env).PrepareForCreate(t.Context(), j)
	return j
}

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
	if g, w := asJSON(t, got), asJSON(t, want); g != w {
		t.Errorf("%s\ngot  %s\nwant %s", what, g, w)
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
