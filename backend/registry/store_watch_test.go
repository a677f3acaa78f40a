package registry

import (
	"context"
	"strconv"
	"testing"

	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// events reads events until there are n.
func (e *env) events(w *watchcache.Watcher, n int) []string {
	e.t.Helper()
	got := []string{}
	for len(got) < n {
		events, err := w.Next(e.ctx, 0)
		e.must(err)
		for _, ev := range events {
			got = append(got, ev.Type.String()+" "+ev.Object.Name)
		}
	}
	return got
}

func (e *env) watch(s *Store, o WatchOptions) *watchcache.Watcher {
	e.t.Helper()
	w, err := s.Watch(e.ctx, o)
	e.must(err)
	e.t.Cleanup(w.Close)
	return w
}

func TestWatchStartingPoints(t *testing.T) {
	onEachEngine(t, func(e *env) {
		b := e.create(configMap("b", "n", "1"))
		e.create(configMap("a"))
		_, err := e.cms().Update(e.ctx, "ns", "b", change(func(c *corev1.ConfigMap) { c.Data["n"] = "2" }))
		e.must(err)
		f := func(o WatchOptions, want ...string) {
			t.Helper()
			o.Namespace = "ns"
			w := e.watch(e.cms(), o)
			last := e.create(configMap("last"))
			e.equal(e.events(w, len(want)+1), append(want, "ADDED last"))
			_, err := e.cms().Delete(e.ctx, "ns", "last", DeleteOptions{})
			e.must(err)
			e.equal(e.events(w, 1), "[DELETED last]")
			_ = last
		}
		yes, no := true, false
		f(WatchOptions{}, "ADDED a", "ADDED b")
		f(WatchOptions{ResourceVersion: "0"}, "ADDED a", "ADDED b")
		f(WatchOptions{Fields: fieldSelector(t, "metadata.name!=a")}, "ADDED b")
		f(WatchOptions{SendInitialEvents: &yes, ResourceVersionMatch: "NotOlderThan"}, "ADDED a", "ADDED b")
		f(WatchOptions{SendInitialEvents: &no, ResourceVersionMatch: "NotOlderThan"})
		revision := strconv.FormatInt(e.Revision(), 10)
		f(WatchOptions{ResourceVersion: revision})
		w := e.watch(e.cms(), WatchOptions{ResourceVersion: b.Hub.GetResourceVersion(), Fields: fieldSelector(t, "metadata.name=b,metadata.namespace=ns")})
		e.equal(e.events(w, 1), "[MODIFIED b]")
		e.equal(w.InitialDone(), true)
	})
}

func TestWatchSelectorTransitions(t *testing.T) {
	onEachEngine(t, func(e *env) {
		w := e.watch(e.store("pods"), WatchOptions{Fields: fieldSelector(t, "spec.nodeName=n1"), Labels: labelSelector(t, "on=yes")})
		set := func(node, on string) {
			_, err := e.store("pods").Update(e.ctx, "ns", "p", change(func(p *corev1.Pod) {
				p.Spec.NodeName, p.Labels = node, map[string]string{"on": on}
			}))
			e.must(err)
		}
		e.create(pod("p", ""))
		set("n1", "no")
		set("n1", "yes")
		set("n1", "no")
		set("n1", "yes")
		set("n2", "yes")
		e.equal(e.events(w, 4), "[ADDED p DELETED p ADDED p DELETED p]")
	})
}

func TestWatchRefusals(t *testing.T) {
	onEachEngine(t, func(e *env) {
		refused := func(o WatchOptions, code int32, message string) {
			t.Helper()
			_, err := e.cms().Watch(e.ctx, o)
			e.refused(err, code, message)
		}
		yes := true
		refused(WatchOptions{ResourceVersion: "newest"}, 500, `resourceVersion: Invalid value: "newest": strconv.ParseUint: parsing "newest": invalid syntax`)
		refused(WatchOptions{Fields: fieldSelector(t, "data.k=v")}, 400, `"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"`)
		refused(WatchOptions{SendInitialEvents: &yes}, 422, `ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan`)
		refused(WatchOptions{ResourceVersionMatch: "NotOlderThan"}, 422, `ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided`)
		refused(WatchOptions{SendInitialEvents: &yes, ResourceVersionMatch: "Exact"}, 422, `ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]`)
		_, err := e.cms().Watch(e.ctx, WatchOptions{SendInitialEvents: &yes, ResourceVersionMatch: "NotOlderThan", ResourceVersion: "999999"})
		if !apierrors.IsTimeout(err) {
			t.Fatalf("got %v", err)
		}
		future := e.watch(e.cms(), WatchOptions{ResourceVersion: "999999"})
		e.create(configMap("one"))
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		if events, err := future.Next(ctx, 0); err == nil {
			t.Fatalf("got %v", events)
		}
	})
}

func TestWatchOfWhatIsTooOld(t *testing.T) {
	dir := t.TempDir()
	engine := openBadger(t, dir)
	e := newEnv(t, engine)
	for range 5 {
		e.create(configMap("one"))
		_, err := e.cms().Delete(e.ctx, "ns", "one", DeleteOptions{})
		e.must(err)
	}
	e.must(engine.Compact(e.ctx, e.Revision()-2))
	e.must(engine.Close())
	e = newEnv(t, openBadger(t, dir))
	_, err := e.cms().Watch(e.ctx, WatchOptions{ResourceVersion: "1"})
	if !apierrors.IsResourceExpired(err) {
		t.Fatalf("got %v", err)
	}
	w := e.watch(e.cms(), WatchOptions{ResourceVersion: strconv.FormatInt(e.Revision()-1, 10)})
	e.equal(e.events(w, 1), "[DELETED one]")
}

func TestBeginHistory(t *testing.T) {
	onEachEngine(t, func(e *env) {
		e.create(configMap("one"))
		old := e.create(configMap("two")).Hub.GetResourceVersion()
		e.create(configMap("three"))
		e.must(e.BeginHistory(e.ctx))
		now := strconv.FormatInt(e.Revision(), 10)
		_, err := e.cms().Watch(e.ctx, WatchOptions{ResourceVersion: old})
		e.refused(err, 410, "too old resource version: "+old+" ("+now+")")
		_, err = e.cms().List(e.ctx, ListOptions{ResourceVersion: old, ResourceVersionMatch: "Exact"})
		e.refused(err, 410, "The resourceVersion for the provided list is too old.")
		e.equal(len(e.list(e.cms(), ListOptions{ResourceVersion: old}).Items), 3)
		e.equal(len(e.list(e.cms(), ListOptions{ResourceVersion: now, ResourceVersionMatch: "Exact"}).Items), 3)
		w := e.watch(e.cms(), WatchOptions{ResourceVersion: now})
		e.create(configMap("four"))
		e.equal(e.events(w, 1), "[ADDED four]")
	})
}
