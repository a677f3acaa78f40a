package registry

import (
	"context"
	"errors"
	"testing"
	"time"

	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// watchAll gives the events of a resource from here on.
func (e *env) watchAll(s *Store) func() []string {
	e.t.Helper()
	off := false
	w, err := s.Watch(e.ctx, WatchOptions{SendInitialEvents: &off, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan})
	e.must(err)
	e.t.Cleanup(w.Close)
	return func() []string {
		var got []string
		for w.Revision() < e.Revision() {
			events, err := w.Next(e.ctx, 0)
			e.must(err)
			for _, ev := range events {
				got = append(got, ev.Type.String()+" "+ev.Object.Name)
			}
		}
		return got
	}
}

func TestDelete(t *testing.T) {
	onEachEngine(t, func(e *env) {
		made := e.create(configMap("one", "a", "1"))
		events := e.watchAll(e.cms())
		dry, err := e.cms().Delete(e.ctx, "ns", "one", DeleteOptions{DryRun: true})
		e.must(err)
		e.equal(dry.Deleted, true)
		r, err := e.cms().Delete(e.ctx, "ns", "one", DeleteOptions{})
		e.must(err)
		e.equal([]any{r.Deleted, r.Object.UID, r.Hub.GetUID()}, "[true uid-1 uid-1]")
		if r.Object.Revision <= made.Object.Revision {
			t.Fatalf("deleted at %d, made at %d", r.Object.Revision, made.Object.Revision)
		}
		_, err = e.cms().Delete(e.ctx, "ns", "one", DeleteOptions{})
		e.refused(err, 404, `configmaps "one" not found`)
		e.equal(events(), "[DELETED one]")
		var stored corev1.ConfigMap
		e.must(scheme.DecodeStored(made.Object.Raw, &stored))
		e.equal(stored.ResourceVersion, made.Object.Revision)
	})
}

func TestDeletePreconditions(t *testing.T) {
	onEachEngine(t, func(e *env) {
		made := e.create(configMap("one"))
		uid, version := types.UID("other"), "1"
		del := func(p metav1.Preconditions) error {
			_, err := e.cms().Delete(e.ctx, "ns", "one", DeleteOptions{Options: metav1.DeleteOptions{Preconditions: &p}})
			return err
		}
		e.refused(del(metav1.Preconditions{UID: &uid}), 409, `Operation cannot be fulfilled on ConfigMap "one": the UID in the precondition (other) does not match the UID in record (uid-1). The object might have been deleted and then recreated`)
		if made.Hub.GetResourceVersion() == version {
			version = "2"
		}
		e.refused(del(metav1.Preconditions{ResourceVersion: &version}), 409, `Operation cannot be fulfilled on ConfigMap "one": the ResourceVersion in the precondition (`+version+`) does not match the ResourceVersion in record (`+made.Hub.GetResourceVersion()+`). The object might have been modified`)
		uid, version = "uid-1", made.Hub.GetResourceVersion()
		e.must(del(metav1.Preconditions{UID: &uid, ResourceVersion: &version}))
	})
}

func TestDeleteAsksAdmission(t *testing.T) {
	onEachEngine(t, func(e *env) {
		e.create(configMap("one", "a", "1"))
		_, err := e.cms().Delete(e.ctx, "ns", "one", DeleteOptions{Validate: func(_ context.Context, obj, old scheme.Object) error {
			if obj != nil || old.(*corev1.ConfigMap).Data["a"] != "1" {
				t.Errorf("got %v, %v", obj, old)
			}
			return errors.New("keep it")
		}})
		e.equal(err, "keep it")
		_, err = e.cms().Get(e.ctx, "ns", "one", GetOptions{})
		e.must(err)
	})
}

func TestDeleteWithFinalizers(t *testing.T) {
	onEachEngine(t, func(e *env) {
		held := configMap("held", "a", "1")
		held.Finalizers = []string{"example.com/hold"}
		e.create(held)
		events := e.watchAll(e.cms())
		r, err := e.cms().Delete(e.ctx, "ns", "held", DeleteOptions{})
		e.must(err)
		e.equal([]any{r.Deleted, r.Hub.GetDeletionTimestamp().UTC(), *r.Hub.GetDeletionGracePeriodSeconds()}, []any{false, *e.now.Load(), 0})
		marked := r.Object.Revision
		e.advance(time.Minute)
		r, err = e.cms().Delete(e.ctx, "ns", "held", DeleteOptions{})
		e.must(err)
		e.equal([]any{r.Deleted, r.Object.Revision}, []any{false, marked})

		late := change(func(c *corev1.ConfigMap) { c.Finalizers = append(c.Finalizers, "example.com/late") })
		_, err = e.cms().Update(e.ctx, "ns", "held", late)
		s := e.refused(err, 422, `ConfigMap "held" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"example.com/late"}`)
		e.equal(len(s.Details.Causes), 2)
		r, err = e.cms().Update(e.ctx, "ns", "held", change(func(c *corev1.ConfigMap) {
			c.DeletionTimestamp, c.DeletionGracePeriodSeconds = nil, nil
			c.Data["a"] = "2"
		}))
		e.must(err)
		e.equal(r.Hub.GetDeletionTimestamp() == nil, false)

		done := change(func(c *corev1.ConfigMap) { c.Finalizers = nil; c.Data["a"] = "3" })
		done.DryRun = true
		r, err = e.cms().Update(e.ctx, "ns", "held", done)
		e.must(err)
		e.equal(r.Deleted, true)
		done.DryRun = false
		r, err = e.cms().Update(e.ctx, "ns", "held", done)
		e.must(err)
		e.equal([]any{r.Deleted, r.Hub.(*corev1.ConfigMap).Data["a"]}, "[true 3]")
		_, err = e.cms().Get(e.ctx, "ns", "held", GetOptions{})
		e.refused(err, 404, `configmaps "held" not found`)
		e.equal(events(), "[MODIFIED held MODIFIED held DELETED held]")
	})
}

func TestPropagation(t *testing.T) {
	onEachEngine(t, func(e *env) {
		f := func(store *Store, obj scheme.Object, o metav1.DeleteOptions, deleted bool, finalizers ...string) {
			t.Helper()
			e.create(obj)
			r, err := store.Delete(e.ctx, obj.GetNamespace(), obj.GetName(), DeleteOptions{Options: o})
			e.must(err)
			e.equal(r.Deleted, deleted)
			if !deleted {
				e.equal(r.Hub.GetFinalizers(), finalizers)
			}
		}
		policy := func(p metav1.DeletionPropagation) metav1.DeleteOptions {
			return metav1.DeleteOptions{PropagationPolicy: &p}
		}
		yes, no := true, false
		cms, nss := e.cms(), e.store("namespaces")
		ns := func(name string) *corev1.Namespace {
			return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		}
		with := func(name string, finalizers ...string) *corev1.ConfigMap {
			c := configMap(name)
			c.Finalizers = finalizers
			return c
		}
		f(cms, configMap("a"), metav1.DeleteOptions{}, true)
		f(cms, configMap("b"), policy("Background"), true)
		f(cms, configMap("c"), policy("Foreground"), false, "foregroundDeletion")
		f(cms, configMap("d"), policy("Orphan"), false, "orphan")
		f(cms, configMap("e"), metav1.DeleteOptions{OrphanDependents: &yes}, false, "orphan")
		f(cms, with("f", "orphan"), metav1.DeleteOptions{OrphanDependents: &no}, true)
		f(cms, with("g", "foregroundDeletion", "x/y"), metav1.DeleteOptions{}, false, "foregroundDeletion", "x/y")
		f(cms, with("h", "foregroundDeletion", "x/y"), policy("Background"), false, "x/y")
		f(nss, ns("a"), metav1.DeleteOptions{}, false, "orphan")
		f(nss, ns("b"), policy("Background"), true)
	})
}

func TestGracefulDelete(t *testing.T) {
	onEachEngine(t, func(e *env) {
		pods := e.store("pods")
		e.create(pod("p", "node"))
		events := e.watchAll(pods)
		grace := func(seconds int64) *Result {
			t.Helper()
			r, err := pods.Delete(e.ctx, "ns", "p", DeleteOptions{Options: metav1.DeleteOptions{GracePeriodSeconds: &seconds}})
			e.must(err)
			return r
		}
		start := *e.now.Load()
		state := func(r *Result, deleted bool, at time.Duration, seconds, generation int64) {
			t.Helper()
			e.equal([]any{r.Deleted, r.Hub.GetDeletionTimestamp().Sub(start), *r.Hub.GetDeletionGracePeriodSeconds(), r.Hub.GetGeneration()}, []any{deleted, at, seconds, generation})
		}
		state(grace(40), false, 40*time.Second, 40, 2)
		state(grace(60), false, 40*time.Second, 40, 2) // not lengthened
		state(grace(7), false, 7*time.Second, 7, 2)
		r, err := pods.Delete(e.ctx, "ns", "p", DeleteOptions{})
		e.must(err)
		state(r, false, 7*time.Second, 7, 2)
		e.advance(10 * time.Second)
		state(grace(3), false, 10*time.Second, 1, 2) // what was left is over
		state(grace(-5), false, 10*time.Second, 1, 2)
		state(grace(0), true, 10*time.Second, 0, 2)
		e.equal(events(), "[MODIFIED p MODIFIED p MODIFIED p MODIFIED p DELETED p]")
	})
}

func TestUnassignedPodGoesAtOnce(t *testing.T) {
	onEachEngine(t, func(e *env) {
		e.create(pod("p", ""))
		pods := e.store("pods")
		r, err := pods.Delete(e.ctx, "ns", "p", DeleteOptions{DryRun: true})
		e.must(err)
		e.equal([]any{r.Deleted, *r.Hub.GetDeletionGracePeriodSeconds()}, "[true 0]")
		r, err = pods.Delete(e.ctx, "ns", "p", DeleteOptions{})
		e.must(err)
		e.equal([]any{r.Deleted, *r.Hub.GetDeletionGracePeriodSeconds()}, "[true 0]")
		_, err = pods.Get(e.ctx, "ns", "p", GetOptions{})
		e.refused(err, 404, `pods "p" not found`)
	})
}

func TestDeleteOptionsThatMakeNoSense(t *testing.T) {
	onEachEngine(t, func(e *env) {
		e.create(configMap("one"))
		bad := metav1.DeletionPropagation("Sideways")
		_, err := e.cms().Delete(e.ctx, "ns", "one", DeleteOptions{Options: metav1.DeleteOptions{PropagationPolicy: &bad}})
		e.refused(err, 422, `DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"`)
	})
}

func TestAfterDelete(t *testing.T) {
	var gone []string
	res := configMaps()
	res.Group, res.Name = "example.com", "things"
	res.Strategy.AfterDelete = func(_ context.Context, o scheme.Object) { gone = append(gone, o.GetName()) }
	e := newEnv(t, openBadger(t, t.TempDir()), res)
	s := e.Store("example.com", "things")
	held := configMap("held")
	held.Finalizers = []string{"x/y"}
	for _, c := range []*corev1.ConfigMap{configMap("one"), held} {
		_, err := s.Create(e.ctx, c, CreateOptions{})
		e.must(err)
		_, err = s.Delete(e.ctx, "ns", c.Name, DeleteOptions{})
		e.must(err)
	}
	e.equal(gone, "[one]")
	_, err := s.Update(e.ctx, "ns", "held", change(func(c *corev1.ConfigMap) { c.Finalizers = nil }))
	e.must(err)
	e.equal(gone, "[one held]")
}

func TestDeleteCollection(t *testing.T) {
	onEachEngine(t, func(e *env) {
		for _, name := range []string{"a", "b", "c"} {
			c := configMap(name)
			c.Labels = map[string]string{"in": map[bool]string{true: "no", false: "yes"}[name == "c"]}
			if name == "b" {
				c.Finalizers = []string{"x/y"}
			}
			e.create(c)
		}
		yes := ListOptions{Namespace: "ns", Labels: labelSelector(t, "in=yes")}
		l, err := e.cms().DeleteCollection(e.ctx, yes, DeleteOptions{DryRun: true})
		e.must(err)
		e.equal(names(l.Items), "[a b]")
		l, err = e.cms().DeleteCollection(e.ctx, yes, DeleteOptions{})
		e.must(err)
		e.equal(names(l.Items), "[a b]")
		e.equal(names(e.list(e.cms(), ListOptions{}).Items), "[b c]")
		l, err = e.cms().DeleteCollection(e.ctx, ListOptions{Namespace: "ns", Limit: 1}, DeleteOptions{})
		e.must(err)
		e.equal([]any{names(l.Items), l.Continue != ""}, "[[b] true]")
		uid := types.UID("other")
		_, err = e.cms().DeleteCollection(e.ctx, ListOptions{Namespace: "ns"}, DeleteOptions{Options: metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}}})
		if err == nil {
			t.Fatal("the precondition did not apply")
		}
	})
}

// A namespace goes in two steps: the first delete marks it and leaves it.
func TestDeleteInTwoSteps(t *testing.T) {
	onEachEngine(t, func(e *env) {
		stays := true
		twoSteps := namespaces()
		twoSteps.Strategy.Terminate = func(_ context.Context, obj scheme.Object) bool {
			obj.(*corev1.Namespace).Status.Phase = corev1.NamespaceTerminating
			return stays
		}
		if err := e.Replace(twoSteps); err != nil {
			t.Fatal(err)
		}
		store := e.store("namespaces")
		e.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "space"}})
		other := types.UID("other")
		_, err := store.Delete(e.ctx, "", "space", DeleteOptions{Options: metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}}})
		e.refused(err, 409, `Operation cannot be fulfilled on namespaces "space": Precondition failed: UID in precondition: other, UID in object meta: uid-1`)
		for i := range 2 {
			r, err := store.Delete(e.ctx, "", "space", DeleteOptions{})
			if err != nil || r.Deleted {
				t.Fatalf("delete %d: %+v, %v", i, r, err)
			}
			ns := r.Hub.(*corev1.Namespace)
			if ns.DeletionTimestamp == nil || ns.DeletionGracePeriodSeconds != nil || ns.Status.Phase != corev1.NamespaceTerminating {
				t.Errorf("delete %d leaves %+v", i, ns)
			}
		}
		stays = false
		if r, err := store.Delete(e.ctx, "", "space", DeleteOptions{Options: metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)}}); err != nil || !r.Deleted {
			t.Fatalf("last delete: %+v, %v", r, err)
		}
	})
}
