package resources

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// FuzzStrategies feeds every kind with objects of a client's making: whatever
// they hold, defaulting, validation and printing may refuse them but not panic.
func FuzzStrategies(f *testing.F) {
	env := &registry.Env{
		Clock:          func() time.Time { return time.Unix(1, 0) },
		ServiceIPRange: netip.MustParsePrefix("10.0.0.0/24"),
	}
	all := All(env)
	for i := range all {
		for _, seed := range []string{
			`{}`,
			`{"metadata":{"name":"a","generation":-1,"annotations":{"a":""},"finalizers":["x"]},"spec":null,"status":null}`,
			`{"spec":{"ports":[{},{"port":-1,"targetPort":"x","nodePort":-1}],"clusterIPs":["","None"],"template":{"spec":{"containers":[{}],"volumes":[{}]}},"limits":[{"type":"Container","max":{"cpu":"1"},"min":{"cpu":"0"},"maxLimitRequestRatio":{"cpu":"1e99"}}],"rules":[{"http":{"paths":[{}]}}],"taints":[{}],"ingress":[{"from":[{"ipBlock":{"cidr":"::/0","except":["0.0.0.0/0"]}}],"ports":[{"endPort":-1}]}]}}`,
			`{"addressType":"IPv4","endpoints":[{"addresses":["x",""],"hints":{}}],"ports":[{"name":null}],"subsets":[{"addresses":[{}],"ports":[{}]}],"rules":[{}],"subjects":[{}],"webhooks":[{}],"data":{"":""},"involvedObject":{}}`,
		} {
			f.Add(i, seed)
		}
	}
	f.Fuzz(func(t *testing.T, kind int, text string) {
		if kind < 0 || kind >= len(all) {
			return
		}
		r := &all[kind]
		for i := range r.Versions {
			v := &r.Versions[i]
			obj, old := v.New(), v.New()
			if json.Unmarshal([]byte(text), obj) != nil {
				return
			}
			_ = json.Unmarshal([]byte(text), old)
			exercise(t, r, v, hub(v, obj), hub(v, old))
		}
	})
}

// hub is obj as a strategy sees it, nil when it does not convert.
func hub(v *registry.Version, obj scheme.Object) scheme.Object {
	if v.Default != nil {
		v.Default(obj)
	}
	if v.ToHub == nil {
		return obj
	}
	h, err := v.ToHub(obj)
	if err != nil {
		return nil
	}
	return h
}

func exercise(t *testing.T, r *registry.Resource, v *registry.Version, obj, old scheme.Object) {
	if obj == nil || old == nil {
		return
	}
	if r.Cells != nil {
		if n := len(r.Cells(obj, func() time.Time { return time.Unix(1, 0) })); n != len(r.Columns) {
			t.Errorf("%s: %d cells for %d columns", r.Name, n, len(r.Columns))
		}
	}
	for _, field := range r.Fields {
		field.Get(obj)
	}
	views := []*registry.Strategy{&r.Strategy}
	for i := range r.Subresources {
		if st := r.Subresources[i].Strategy; st != nil {
			views = append(views, st)
		}
	}
	for _, st := range views {
		write(t, st, obj.DeepCopyObject().(scheme.Object), nil)
		write(t, st, obj.DeepCopyObject().(scheme.Object), old.DeepCopyObject().(scheme.Object))
	}
	if v.FromHub != nil {
		_, _ = v.FromHub(obj)
	}
}

// write does what a create or update does before the commit; allocation, which
// needs a registry, is left out.
func write(t *testing.T, st *registry.Strategy, obj, old scheme.Object) {
	ctx := t.Context()
	if old == nil {
		if st.PrepareForCreate != nil {
			st.PrepareForCreate(ctx, obj)
		}
		if st.Validate != nil {
			if printed(st.Validate(ctx, obj)) {
				return
			}
		}
		if st.WarningsOnCreate != nil {
			st.WarningsOnCreate(ctx, obj)
		}
	} else {
		if st.PrepareForUpdate != nil {
			st.PrepareForUpdate(ctx, obj, old)
		}
		if st.ValidateUpdate != nil {
			if printed(st.ValidateUpdate(ctx, obj, old)) {
				return
			}
		}
		if st.WarningsOnUpdate != nil {
			st.WarningsOnUpdate(ctx, obj, old)
		}
	}
	if st.Canonicalize != nil {
		st.Canonicalize(obj)
	}
}

// printed makes the errors' texts, as a client gets them, and tells whether
// there are any.
func printed(errs field.ErrorList) bool {
	for _, e := range errs {
		_ = e.Error()
	}
	return len(errs) > 0
}
