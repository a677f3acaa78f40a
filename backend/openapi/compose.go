package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"pilothouse/backend/metrics"

	"k8s.io/klog/v2"
)

// composition is what the v2 document is made of at one time.
type composition struct {
	changes  uint64
	builtins *builtins
	parts    []*part
}

// compose makes the parts that are new and finds a name for everything. Those
// that cannot be made are left out: one bad part, perhaps another server's,
// takes nothing from the rest.
func compose(b *builtins, added []*addition) (*composition, error) {
	makeParts(b, added)
	slices.SortFunc(added, func(x, y *addition) int { return strings.Compare(x.name, y.name) })
	owners := map[string]map[string]*part{paths: {}, definitions: {}, parameters: {}}
	taken := resolver{func(section, name string) (json.RawMessage, error) {
		if owner := owners[section][name]; owner != nil {
			all, err := owner.read(section)
			return all[name], err
		}
		return b.member(section, name)
	}}
	c := &composition{}
	kinds := map[string][]any{}
	for _, a := range added {
		p := a.part
		if p != nil && clashes(p, owners) {
			p = a.resolve(taken)
		}
		if p == nil {
			continue
		}
		for section, names := range p.names {
			for _, name := range names {
				owners[section][name] = p
			}
		}
		for name, list := range p.kinds {
			kinds[name] = union(kinds[name], list)
		}
		c.parts = append(c.parts, p)
	}
	var err error
	c.builtins, err = b.withKinds(kinds)
	return c, err
}

// makeParts makes the missing parts, as many at a time as there are processors.
func makeParts(b *builtins, added []*addition) {
	var wg sync.WaitGroup
	next := make(chan *addition)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			defer metrics.Caught("openapi") // resolve has its own
			for a := range next {
				a.part = a.resolve(resolver{b.member})
			}
		})
	}
	for _, a := range added {
		if a.part == nil {
			next <- a
		}
	}
	close(next)
	wg.Wait()
}

// resolve makes the part; nil when that cannot be done.
func (a *addition) resolve(r resolver) (p *part) {
	var err error
	defer func() {
		if panicked := recover(); panicked != nil { // this is in no request that would recover
			metrics.CaughtPanic(panicked, "openapi")
			err = fmt.Errorf("panic: %v", panicked)
		}
		if err != nil {
			p = nil
			klog.ErrorS(err, "Part of OpenAPI v2 left out", "part", a.name)
		}
	}()
	source, err := a.source()
	if err == nil {
		p, err = r.resolve(source)
	}
	return p
}

func clashes(p *part, owners map[string]map[string]*part) bool {
	for section, names := range p.names {
		if slices.ContainsFunc(names, func(name string) bool { return owners[section][name] != nil }) {
			return true
		}
	}
	return false
}

// union adds to a list of kinds what it lacks, in the order that upstream's merge
// has.
func union(list, more []any) []any {
	for _, kind := range more {
		m, ok := kind.(map[string]any)
		if ok && !slices.ContainsFunc(list, func(k any) bool { have, _ := k.(map[string]any); return maps.Equal(have, m) }) {
			list = append(list, kind)
		}
	}
	slices.SortStableFunc(list, func(a, b any) int { return strings.Compare(kindKey(a), kindKey(b)) })
	return list
}

func kindKey(kind any) string {
	m, _ := kind.(map[string]any)
	return fmt.Sprintf("%s/%s/%s", m["group"], m["version"], m["kind"])
}
