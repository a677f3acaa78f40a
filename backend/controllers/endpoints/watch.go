package endpoints

import (
	"context"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// workers is how many Services are worked on at once.
const workers = 3

// controller is what both loops have.
type controller struct {
	loop.Deps
	services *loop.View[*corev1.Service]
	pods     *loop.View[*corev1.Pod]
	nodes    *loop.View[*corev1.Node]
	triggers triggers
	queue    *loop.Queue[types.NamespacedName]
}

func newController(d loop.Deps, name string) *controller {
	return &controller{
		Deps: d, queue: loop.NewQueue[types.NamespacedName](name),
		services: loop.NewView[*corev1.Service](d, "", "services"),
		pods:     loop.NewView[*corev1.Pod](d, "", "pods"),
		nodes:    loop.NewView[*corev1.Node](d, "", "nodes"),
		triggers: triggers{known: map[types.NamespacedName]trigger{}},
	}
}

// run follows Services, their pods and what is made for them, and works on what
// has changed.
func (c *controller) run(made *loop.Follower, sync func(context.Context, types.NamespacedName) error) func(context.Context) error {
	services := c.services.Follower(c.Deps, func(o, _ *watchcache.Object, _ bool) { c.queue.Add(loop.NameOf(o)) })
	changed := c.pods.Follower(c.Deps, c.pod)
	nodes := c.nodes.Follower(c.Deps, c.node)
	return func(ctx context.Context) error {
		return loop.Together(ctx, services.Run, changed.Run, nodes.Run, made.Run,
			func(ctx context.Context) error { return c.queue.Work(ctx, workers, sync) })
	}
}

// pod adds the Services that select a pod, or did before it changed.
func (c *controller) pod(current, previous *watchcache.Object, _ bool) {
	for _, s := range c.services.List(current.Namespace, labels.Everything(), nil) {
		if !selects(s) {
			continue
		}
		selector := labels.SelectorFromSet(s.Spec.Selector)
		if selector.Matches(current.Labels) || previous != nil && selector.Matches(previous.Labels) {
			c.queue.Add(loop.Key(s))
		}
	}
}

// node adds the Services of the pods of a node that is new or somewhere else.
func (c *controller) node(current, previous *watchcache.Object, gone bool) {
	if gone || previous != nil && current.Labels.Get(corev1.LabelTopologyZone) == previous.Labels.Get(corev1.LabelTopologyZone) {
		return
	}
	store := c.Registry.Store("", "pods")
	if store == nil {
		return
	}
	store.Each("", func(o *watchcache.Object) bool {
		if loop.Field(store, o, "spec.nodeName") == current.Name {
			c.pod(o, nil, false)
		}
		return true
	})
}
