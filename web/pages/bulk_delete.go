package pages

import (
	"context"
	"slices"
	"sync"

	"pilothouse/backend/metrics"
	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/types"
)

// dryRuns is how many questions a deletion of many asks at the same time.
const dryRuns = 8

// bulkDeletes asks the server of each object whether it would delete it, and what
// belongs to it.
func (c *Call) bulkDeletes(ctx context.Context, targets []target) []view.BulkDelete {
	list := make([]view.BulkDelete, len(targets))
	propagation := propagationOf(c.Form.Get("propagation"))
	var group sync.WaitGroup
	turn := make(chan struct{}, dryRuns)
	for i, t := range targets {
		turn <- struct{}{}
		group.Go(metrics.Guarded("dashboard", func() {
			defer func() { <-turn }()
			v := view.BulkDelete{Name: t.text()}
			would, err := c.deleteObject(ctx, t, propagation, true)
			if err != nil {
				v.Refused = c.reason(err)
			}
			v.Finalizers = would.Finalizers
			list[i] = v
		}))
	}
	group.Wait()
	c.countDependents(ctx, targets, list)
	return list
}

// countDependents counts what belongs to the objects of a list, by owner references.
func (c *Call) countDependents(ctx context.Context, targets []target, list []view.BulkDelete) {
	if len(targets) == 0 {
		return
	}
	namespace := targets[0].namespace
	if slices.ContainsFunc(targets, func(t target) bool { return t.namespace != namespace }) {
		namespace = ""
	}
	byOwner := c.children(ctx, namespace)
	for i, t := range targets {
		seen := map[types.UID]bool{}
		for todo := []types.UID{types.UID(t.uid)}; len(todo) > 0; todo = todo[1:] {
			for _, k := range byOwner[todo[0]] {
				if uid := k.meta.Metadata.UID; !seen[uid] {
					seen[uid] = true
					todo = append(todo, uid)
				}
			}
		}
		list[i].Dependents = len(seen)
	}
}
