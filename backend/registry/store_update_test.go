package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestUpdate(t *testing.T) {
	onEachEngine(t, func(e *env) {
		before := e.create(configMap("one", "a", "1"))
		e.advance(time.Hour)
		put := configMap("one", "a", "2")
		put.CreationTimestamp = metav1.NewTime(*e.now.Load())
		r, err := e.cms().Update(e.ctx, "ns", "one", replace(put))
		e.must(err)
		got := r.Hub.(*corev1.ConfigMap)
		e.equal(got.Data["a"], "2")
		e.equal(got.UID, "uid-1")
		e.equal(got.CreationTimestamp.Time.Equal(before.Hub.(*corev1.ConfigMap).CreationTimestamp.Time), true)
		e.equal(got.ResourceVersion, r.Object.Revision)
		if r.Object.Revision <= before.Object.Revision || r.Created || r.Deleted {
			t.Fatalf("got %+v", r)
		}
		if !strings.Contains(string(r.Object.Raw), fmt.Sprintf(`"resourceVersion":"%d"`, r.Object.Revision)) {
			t.Fatalf("got %s", r.Object.Raw)
		}
		if !strings.Contains(string(before.Object.Raw), fmt.Sprintf(`"resourceVersion":"%d"`, before.Object.Revision)) {
			t.Fatalf("the older version was changed: %s", before.Object.Raw)
		}
	})
}

func TestUpdateRefusals(t *testing.T) {
	onEachEngine(t, func(e *env) {
		e.create(configMap("one", "a", "1"))
		refused := func(name string, o UpdateOptions, code int32, message string) *metav1.Status {
			t.Helper()
			before := e.Revision()
			_, err := e.cms().Update(e.ctx, "ns", name, o)
			s := e.refused(err, code, message)
			e.equal(e.Revision(), before)
			return s
		}
		version := func(v string) UpdateOptions {
			c := configMap("one", "a", "2")
			c.ResourceVersion = v
			return replace(c)
		}
		refused("one", version("1000000"), 409, `Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your changes to the latest version and try again`)
		refused("one", version("abc"), 500, `strconv.ParseUint: parsing "abc": invalid syntax`)
		refused("none", replace(configMap("none")), 404, `configmaps "none" not found`)
		refused("one", replace(configMap("two")), 422, `ConfigMap "two" is invalid: metadata.name: Invalid value: "two": field is immutable`)
		other := configMap("one")
		other.Namespace = "elsewhere"
		refused("one", replace(other), 400, "the namespace of the provided object does not match the namespace sent on the request")
		withUID := replace(configMap("one", "a", "2"))
		uid := types.UID("other")
		withUID.Preconditions = &metav1.Preconditions{UID: &uid}
		refused("one", withUID, 409, `Operation cannot be fulfilled on configmaps "one": StorageError: invalid object, Code: 4, Key: /registry/configmaps/ns/one, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: other, UID in object meta: uid-1`)
		owned := configMap("one")
		owned.UID = "other"
		s := refused("one", replace(owned), 422, `ConfigMap "one" is invalid: metadata.uid: Invalid value: "other": field is immutable`)
		e.equal(len(s.Details.Causes), 2)
		refused("", replace(configMap("one")), 400, "Name parameter required.")
		refused("a%b", replace(configMap("one")), 400, `Name parameter invalid: "a%b": may not contain '%'`)
		_, err := e.cms().Update(e.ctx, "ns", "one", UpdateOptions{Transform: func(context.Context, scheme.Object) (scheme.Object, error) {
			return nil, errors.New("no")
		}})
		e.equal(err, "no")
	})
}

func TestUpdateThatChangesNothing(t *testing.T) {
	onEachEngine(t, func(e *env) {
		c := configMap("one", "a", "1")
		stamp := func(c *corev1.ConfigMap, fields string) {
			now := metav1.NewTime(*e.now.Load())
			c.ManagedFields = []metav1.ManagedFieldsEntry{{
				Manager: "m", Operation: "Update", APIVersion: "v1", Time: &now, FieldsType: "FieldsV1",
				FieldsV1: &metav1.FieldsV1{Raw: []byte(fields)},
			}}
		}
		stamp(c, `{"f:data":{}}`)
		before := e.create(c)
		e.advance(time.Minute)
		r, err := e.cms().Update(e.ctx, "ns", "one", change(func(c *corev1.ConfigMap) { stamp(c, `{"f:data":{}}`) }))
		e.must(err)
		if r.Object != before.Object {
			t.Fatalf("got %s", r.Object.Raw)
		}
		e.equal(r.Hub.(*corev1.ConfigMap).ManagedFields[0].Time.UTC(), before.Hub.(*corev1.ConfigMap).ManagedFields[0].Time.UTC())
		r, err = e.cms().Update(e.ctx, "ns", "one", change(func(c *corev1.ConfigMap) { stamp(c, `{"f:data":{"x":{}}}`) }))
		e.must(err)
		if r.Object == before.Object {
			t.Fatal("other managed fields were not written")
		}
		// Same length, different content, and a new time with it.
		r, err = e.cms().Update(e.ctx, "ns", "one", change(func(c *corev1.ConfigMap) { c.Data["a"] = "2"; stamp(c, `{"f:data":{"x":{}}}`) }))
		e.must(err)
		e.equal(r.Hub.(*corev1.ConfigMap).Data["a"], "2")
		e.equal(r.Hub.(*corev1.ConfigMap).ManagedFields[0].Time.UTC(), *e.now.Load())
		if !strings.Contains(string(r.Object.Raw), `"a":"2"`) {
			t.Fatalf("got %s", r.Object.Raw)
		}
	})
}

func TestUpdateRetries(t *testing.T) {
	onEachEngine(t, func(e *env) {
		e.create(configMap("one", "n", "0"))
		calls := 0
		o := change(func(c *corev1.ConfigMap) {
			if calls++; calls == 1 {
				_, err := e.cms().Update(e.ctx, "ns", "one", change(func(c *corev1.ConfigMap) { c.Data["other"] = "1" }))
				e.must(err)
			}
			c.Data["mine"] = "1"
		})
		r, err := e.cms().Update(e.ctx, "ns", "one", o)
		e.must(err)
		e.equal(r.Hub.(*corev1.ConfigMap).Data, map[string]string{"n": "0", "other": "1", "mine": "1"})
		e.equal(calls, 2)
		// A client that named the version which it changes must hear of it.
		calls = 0
		stale := r.Hub.GetResourceVersion()
		_, err = e.cms().Update(e.ctx, "ns", "one", UpdateOptions{Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
			if calls++; calls == 1 {
				_, err := e.cms().Update(e.ctx, "ns", "one", change(func(c *corev1.ConfigMap) { c.Data["other"] = "2" }))
				e.must(err)
			}
			c := configMap("one")
			c.ResourceVersion = stale
			return c, nil
		}})
		if !apierrors.IsConflict(err) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	onEachEngine(t, func(e *env) {
		e.create(configMap("one"))
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for n := range 20 {
					_, err := e.cms().Update(e.ctx, "ns", "one", change(func(c *corev1.ConfigMap) {
						if c.Data == nil {
							c.Data = map[string]string{}
						}
						c.Data[fmt.Sprintf("%d-%d", w, n)] = "x"
					}))
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		o, err := e.cms().Get(e.ctx, "ns", "one", GetOptions{})
		e.must(err)
		hub, err := e.cms().Decode(o)
		e.must(err)
		e.equal(len(hub.(*corev1.ConfigMap).Data), 160)
	})
}

func TestUpdateCreates(t *testing.T) {
	onEachEngine(t, func(e *env) {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "made", ResourceVersion: "7"}}
		o := replace(ns)
		o.DryRun = true
		r, err := e.store("namespaces").Update(e.ctx, "", "made", o)
		e.must(err)
		e.equal([]any{r.Created, r.Hub.GetResourceVersion()}, []any{true, ""})
		r, err = e.store("namespaces").Update(e.ctx, "", "made", replace(ns))
		e.must(err)
		e.equal(r.Created, true)
		e.equal(r.Object.Key, "made")
		o = replace(configMap("applied"))
		o.AllowCreate = true
		uid := types.UID("x")
		o.Preconditions = &metav1.Preconditions{UID: &uid}
		_, err = e.cms().Update(e.ctx, "ns", "applied", o)
		e.refused(err, 409, `Operation cannot be fulfilled on configmaps "applied": StorageError: invalid object, Code: 4, Key: /registry/configmaps/ns/applied, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta: `)
		o.Preconditions = nil
		r, err = e.cms().Update(e.ctx, "ns", "applied", o)
		e.must(err)
		e.equal(r.Created, true)
	})
}

func TestUpdateOfASubresource(t *testing.T) {
	onEachEngine(t, func(e *env) {
		e.create(pod("p", "node"))
		pods := e.store("pods")
		o := change(func(p *corev1.Pod) { p.Status.Phase = "Running"; p.Spec.NodeName = "other" })
		r, err := pods.Update(e.ctx, "ns", "p", o)
		e.must(err)
		e.equal([]any{r.Hub.(*corev1.Pod).Status.Phase, r.Hub.(*corev1.Pod).Spec.NodeName}, "[Pending other]")
		o = change(func(p *corev1.Pod) { p.Status.Phase = "Running"; p.Spec.NodeName = "third" })
		o.Strategy = pods.Resource().Subresources[0].Strategy
		r, err = pods.Update(e.ctx, "ns", "p", o)
		e.must(err)
		e.equal([]any{r.Hub.(*corev1.Pod).Status.Phase, r.Hub.(*corev1.Pod).Spec.NodeName}, "[Running other]")
		e.equal(r.Object.Fields, "[other Running]")
	})
}

func TestUpdateDryRun(t *testing.T) {
	onEachEngine(t, func(e *env) {
		before := e.create(configMap("one", "a", "1"))
		o := change(func(c *corev1.ConfigMap) { c.Data["a"] = "2" })
		o.DryRun = true
		r, err := e.cms().Update(e.ctx, "ns", "one", o)
		e.must(err)
		e.equal(r.Hub.(*corev1.ConfigMap).Data["a"], "2")
		e.equal(r.Hub.GetResourceVersion(), before.Object.Revision)
		e.equal(strings.Contains(string(r.Object.Raw), `"a":"2"`), true)
		e.equal(e.Revision(), before.Object.Revision)
	})
}

func TestUpdateNeedsAResourceVersion(t *testing.T) {
	res := configMaps()
	res.Name, res.Group, res.Kind = "budgets", "policy", "Budget"
	res.Strategy.RequireResourceVersion = true
	e := newEnv(t, openBadger(t, t.TempDir()), res)
	s := e.Store("policy", "budgets")
	_, err := s.Create(e.ctx, configMap("one"), CreateOptions{})
	e.must(err)
	_, err = s.Update(e.ctx, "ns", "one", replace(configMap("one", "a", "2")))
	e.refused(err, 422, `budgets.policy "one" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update`)
}
