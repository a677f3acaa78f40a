package backend

import (
	"pilothouse/backend/config"
	"pilothouse/backend/flowcontrol"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/server"
	"pilothouse/backend/watchcache"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	"k8s.io/klog/v2"
)

// newFlowControl makes flow control follow its objects; nil when it is off, or
// when there is no bound to share.
func newFlowControl(o *config.Options, r *registry.Registry) *flowcontrol.Controller {
	seats := o.Limits.MaxInFlight + o.Limits.MaxMutatingInFlight
	schemas, levels := r.Store(flowcontrolv1.GroupName, "flowschemas"), r.Store(flowcontrolv1.GroupName, "prioritylevelconfigurations")
	if !o.Limits.FlowControl || seats <= 0 || schemas == nil || levels == nil {
		return nil
	}
	c := flowcontrol.New(flowcontrol.Options{Seats: seats, Timeout: o.Limits.RequestTimeout, Count: func(info *request.Info) int {
		if store := r.Store(info.Group, info.Resource); store != nil {
			return store.Count(info.Namespace)
		}
		return 0
	}})
	observe(levels, c.SetLevel)
	observe(schemas, c.SetSchema)
	return c
}

// observe gives set every object of a store, and nil for those that are deleted.
func observe[T any, P interface {
	*T
	scheme.Object
}](store *registry.Store, set func(name string, obj P)) {
	store.Observe(func(current, previous *watchcache.Object) {
		if current == nil {
			set(previous.Name, nil)
			return
		}
		obj, err := store.Decode(current)
		if err != nil {
			klog.ErrorS(err, "Object of flow control left out")
			return
		}
		set(current.Name, obj.(P))
	})
}

// flowFilter gives the filter, nil without flow control.
func flowFilter(c *flowcontrol.Controller) server.Filter {
	if c == nil {
		return nil
	}
	return c.Filter
}
