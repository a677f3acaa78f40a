package registry

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestCreate(t *testing.T) {
	onEachEngine(t, func(e *env) {
		in := configMap("one", "a", "1")
		in.Labels = map[string]string{"z": "1", "a": "2"}
		r := e.create(in)
		var got corev1.ConfigMap
		e.must(json.Unmarshal(r.Object.Raw, &got))
		e.equal(got.Kind+" "+got.APIVersion+" "+got.Namespace+"/"+got.Name, "ConfigMap v1 ns/one")
		e.equal(got.UID, "uid-1")
		e.equal(got.CreationTimestamp.UTC(), *e.now.Load())
		e.equal(got.ResourceVersion, r.Object.Revision)
		e.equal(string(r.Object.Raw[r.Object.HoleOffset:r.Object.HoleOffset+r.Object.HoleLen]), r.Object.Revision)
		e.equal(r.Object.Labels, "[{a 2} {z 1}]")
		e.equal(r.Object.Key, "ns/one")

		object, err := e.cms().Get(e.ctx, "ns", "one", GetOptions{})
		e.must(err)
		if object != r.Object {
			t.Fatal("the cache holds another object than the one that was written")
		}
		hub, err := e.cms().Decode(object)
		e.must(err)
		e.equal(hub.(*corev1.ConfigMap).Data["a"], "1")
		e.equal(r.Hub.GetResourceVersion(), hub.GetResourceVersion())
	})
}

func TestCreateRefusals(t *testing.T) {
	onEachEngine(t, func(e *env) {
		refused := func(obj scheme.Object, code int32, message string) {
			t.Helper()
			before := e.Revision()
			_, err := e.cms().Create(e.ctx, obj, CreateOptions{})
			e.refused(err, code, message)
			e.equal(e.Revision(), before)
		}
		e.create(configMap("one"))
		refused(configMap("one"), 409, `configmaps "one" already exists`)
		refused(configMap(""), 422, `ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required`)
		refused(configMap("two", "bad", "1"), 422, `ConfigMap "two" is invalid: data: Invalid value: "bad": is bad`)
		versioned := configMap("two")
		versioned.ResourceVersion = "7"
		refused(versioned, 500, "resourceVersion should not be set on objects to be created")
		finalized := configMap("two", "bad", "1")
		finalized.Finalizers = []string{"hold"}
		refused(finalized, 422, `ConfigMap "two" is invalid: [metadata.finalizers[0]: Invalid value: "hold": name is neither a standard finalizer name nor is it fully qualified, data: Invalid value: "bad": is bad]`)

		_, err := e.cms().Create(e.ctx, configMap("two"), CreateOptions{
			Validate: func(context.Context, scheme.Object, scheme.Object) error { return errors.New("not today") },
		})
		e.equal(err, "not today")
		_, err = e.cms().Get(e.ctx, "ns", "two", GetOptions{})
		e.refused(err, 404, `configmaps "two" not found`)
	})
}

func TestCreateOfWhatIsBeingDeleted(t *testing.T) {
	onEachEngine(t, func(e *env) {
		held := configMap("held")
		held.Finalizers = []string{"example.com/hold"}
		e.create(held)
		_, err := e.cms().Delete(e.ctx, "ns", "held", DeleteOptions{})
		e.must(err)
		_, err = e.cms().Create(e.ctx, configMap("held"), CreateOptions{})
		e.refused(err, 409, `object is being deleted: configmaps "held" already exists`)
	})
}

func TestCreateDryRun(t *testing.T) {
	onEachEngine(t, func(e *env) {
		r, err := e.cms().Create(e.ctx, configMap("one"), CreateOptions{DryRun: true})
		e.must(err)
		if strings.Contains(string(r.Object.Raw), "resourceVersion") || !strings.Contains(string(r.Object.Raw), `"uid":"uid-1"`) {
			t.Fatalf("got %s", r.Object.Raw)
		}
		e.equal(r.Hub.GetResourceVersion(), "")
		_, err = e.cms().Get(e.ctx, "ns", "one", GetOptions{})
		e.refused(err, 404, `configmaps "one" not found`)
		e.create(configMap("one"))
		_, err = e.cms().Create(e.ctx, configMap("one"), CreateOptions{DryRun: true})
		e.refused(err, 409, `configmaps "one" already exists`)
	})
}

func TestGenerateName(t *testing.T) {
	onEachEngine(t, func(e *env) {
		generate := func(base string) (*Result, error) {
			return e.cms().Create(e.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", GenerateName: base}}, CreateOptions{})
		}
		e.suffixes = []string{"aaaaa", "aaaaa", "bbbbb"}
		r, err := generate("gen-")
		e.must(err)
		e.equal(r.Object.Name, "gen-aaaaa")
		r, err = generate("gen-")
		e.must(err)
		e.equal(r.Object.Name, "gen-bbbbb")
		e.suffixes = []string{"aaaaa", "aaaaa", "aaaaa", "aaaaa", "aaaaa", "aaaaa", "aaaaa", "aaaaa", "ccccc"}
		_, err = generate("gen-")
		e.refused(err, 409, `configmaps "gen-aaaaa" already exists, the server was not able to generate a unique name for the object`)
		e.suffixes = nil
		r, err = generate(strings.Repeat("a", 70))
		e.must(err)
		e.equal(r.Object.Name, strings.Repeat("a", 58)+"zzzzz")
	})
}

func TestBeginCreateFinishes(t *testing.T) {
	for _, c := range []struct {
		name    string
		options CreateOptions
		data    string
		want    bool
	}{
		{"written", CreateOptions{}, "a", true},
		{"dry run", CreateOptions{DryRun: true}, "a", false},
		{"invalid", CreateOptions{}, "bad", false},
		{"refused", CreateOptions{Validate: func(context.Context, scheme.Object, scheme.Object) error { return errors.New("no") }}, "a", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var finished []bool
			res := configMaps()
			res.Name, res.Group = "things", "example.com"
			res.Strategy.BeginCreate = func(_ context.Context, _ scheme.Object, dryRun bool) (func(bool), error) {
				if dryRun != c.options.DryRun {
					t.Error("dryRun is wrong")
				}
				return func(written bool) { finished = append(finished, written) }, nil
			}
			e := newEnv(t, openBadger(t, t.TempDir()), res)
			_, _ = e.Store("example.com", "things").Create(e.ctx, configMap("one", c.data, "1"), c.options)
			e.equal(finished, []bool{c.want})
		})
	}
}

func TestObjectsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	engine := openBadger(t, dir)
	e := newEnv(t, engine)
	first := e.create(configMap("one", "a", "1"))
	second := e.create(configMap("two"))
	_, err := e.cms().Update(e.ctx, "ns", "one", change(func(c *corev1.ConfigMap) { c.Data["a"] = "2" }))
	e.must(err)
	_, err = e.cms().Delete(e.ctx, "ns", "two", DeleteOptions{})
	e.must(err)
	before, err := e.cms().Get(e.ctx, "ns", "one", GetOptions{})
	e.must(err)
	revision := e.Revision()
	e.must(engine.Close())

	e = newEnv(t, openBadger(t, dir))
	e.equal(e.Revision(), revision)
	after, err := e.cms().Get(e.ctx, "ns", "one", GetOptions{})
	e.must(err)
	e.equal(string(after.Raw), string(before.Raw))
	e.equal([]any{after.Revision, after.HoleOffset, after.HoleLen, after.UID}, []any{before.Revision, before.HoleOffset, before.HoleLen, before.UID})
	_, err = e.cms().Get(e.ctx, "ns", "two", GetOptions{})
	e.refused(err, 404, `configmaps "two" not found`)
	l := e.list(e.cms(), ListOptions{ResourceVersion: strconv.FormatInt(second.Object.Revision, 10), ResourceVersionMatch: metav1.ResourceVersionMatchExact})
	e.equal(names(l.Items), "[one two]")
	e.equal(l.Items[0].Revision, first.Object.Revision)
}
