package resources

import (
	"testing"

	"pilothouse/backend/registry"
)

func TestEveryResourceIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range All(&registry.Env{}) {
		key := r.Group + "/" + r.Name
		if seen[key] {
			t.Errorf("%s is listed twice", key)
		}
		seen[key] = true
		if r.Singular == "" || r.Kind == "" || len(r.Versions) == 0 {
			t.Errorf("%s lacks names or versions", key)
		}
		if r.Virtual == nil {
			hubs := 0
			if r.Stored != nil {
				hubs++
			}
			for _, v := range r.Versions {
				if v.ToHub == nil && v.FromHub == nil {
					hubs++
				}
			}
			if hubs != 1 {
				t.Errorf("%s has %d storage versions", key, hubs)
			}
		}
		for _, v := range r.Versions {
			if v.New == nil {
				t.Errorf("%s %s cannot be made", key, v.Name)
			}
		}
	}
}
