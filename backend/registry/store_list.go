package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/storage"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// List gives the objects that the options select, in key order, at one
// revision. Items are shared with the cache; nothing is decoded.
//
// A limit is ignored for a resourceVersion of "0", as in Kubernetes.
//
// Which revision: the newest one, unless a continue token names one, the match
// is Exact, or a page is asked for with a resourceVersion and no match. Old
// revisions come from memory while it has them, then from the engine; a
// compacted one is a 410 Expired, with a token in metadata.continue that goes on
// inconsistently when the client gave a token.
func (s *Store) List(ctx context.Context, o ListOptions) (*List, error) {
	if err := checkListOptions(o); err != nil {
		return nil, err
	}
	sel, err := s.selects(o.Namespace, o.Labels, o.Fields)
	if err != nil {
		return nil, err
	}
	key, single := s.single(sel)
	p := page{scope: scopeOf(sel), selected: sel}
	if !single && o.ResourceVersion != "0" { // any state is given whole, as from Kubernetes' cache
		p.limit, p.paged = o.Limit, o.Limit > 0
	}
	if p.at, err = s.whichRevision(ctx, o, &p, single); err != nil {
		return nil, err
	}
	if p.at > 0 && p.at < s.floor.Load() {
		return nil, expiredList(p, o)
	}
	if single {
		return s.listOne(ctx, key, p, o)
	}
	if p.at > 0 {
		return s.listAt(ctx, p, o)
	}
	snapshot := s.cache.Snapshot()
	return s.listSnapshot(snapshot, snapshot.Revision(), p), nil
}

// page is one list to be made.
type page struct {
	selected
	// scope is the part of keys that the list is confined to: "" or NAMESPACE/.
	scope string
	// from is the first key that may be in the page.
	from string
	// at is the revision to list at, 0 for the newest.
	at    int64
	limit int64
	paged bool
}

func scopeOf(sel selected) string {
	if sel.namespace == "" {
		return ""
	}
	return sel.namespace + "/"
}

// whichRevision reads the continue token and the resource version and gives the
// exact revision to list at, 0 for the newest one.
func (s *Store) whichRevision(ctx context.Context, o ListOptions, p *page, single bool) (int64, error) {
	if o.Continue != "" && !single {
		from, revision, err := decodeContinue(o.Continue, p.scope)
		if err != nil {
			return 0, err
		}
		if o.ResourceVersion != "" && o.ResourceVersion != "0" {
			return 0, apierrors.NewBadRequest("specifying resource version is not allowed when using continue")
		}
		p.from = from
		return revision, nil
	}
	revision, fault := parseVersion(o.ResourceVersion)
	if fault != "" {
		return 0, apierrors.NewBadRequest("invalid resource version: " + fault)
	}
	if revision == 0 {
		return 0, nil
	}
	if err := s.waitFor(ctx, revision); err != nil {
		return 0, err
	}
	exact := o.ResourceVersionMatch == metav1.ResourceVersionMatchExact || o.ResourceVersionMatch == "" && p.paged
	if exact {
		return revision, nil
	}
	return 0, nil
}

// listOne is a list that can hold only one object.
func (s *Store) listOne(ctx context.Context, key string, p page, o ListOptions) (*List, error) {
	list := &List{Items: []*watchcache.Object{}}
	snapshot := s.cache.Snapshot()
	if p.at > 0 {
		at, ok := s.cache.At(p.at)
		if !ok {
			p.from, p.paged = key, false
			return s.listStored(ctx, p, o, storage.PrefixEnd(s.prefix+key+"\x00"))
		}
		snapshot = at
	}
	list.Revision = snapshot.Revision()
	if object := snapshot.Get(key); object != nil && p.picks(object) {
		list.Items = append(list.Items, object)
	}
	return list, nil
}

// listAt lists at an older revision.
func (s *Store) listAt(ctx context.Context, p page, o ListOptions) (*List, error) {
	if snapshot, ok := s.cache.At(p.at); ok {
		return s.listSnapshot(snapshot, p.at, p), nil
	}
	return s.listStored(ctx, p, o, storage.PrefixEnd(s.prefix+p.scope))
}

// listStored lists at a revision that only the engine knows, up to the storage
// key to.
func (s *Store) listStored(ctx context.Context, p page, o ListOptions, to string) (*List, error) {
	var stored error
	began := time.Now()
	list := p.collect(p.at, func(f func(*watchcache.Object) bool) {
		stored = s.engine.ListAt(ctx, p.at, s.prefix+max(p.from, p.scope), to, func(rec storage.Record) bool {
			object, err := s.readRecord(rec)
			if err != nil {
				return true // as the cache does: logged when it was loaded
			}
			return f(object)
		})
	}, nil)
	s.calls.Called(metrics.StorageList, began, stored)
	switch {
	case errors.Is(stored, storage.ErrFuture):
		return nil, tooLargeVersion(p.at, s.hub.Revision())
	case errors.Is(stored, storage.ErrCompacted):
		return nil, expiredList(p, o)
	case stored != nil:
		return nil, storageError(stored)
	}
	return list, nil
}

// expiredList is the 410 of a list whose revision has been compacted.
func expiredList(p page, o ListOptions) error {
	if o.Continue == "" {
		return apierrors.NewResourceExpired("The resourceVersion for the provided list is too old.")
	}
	err := apierrors.NewResourceExpired("The provided continue parameter is too old " +
		"to display a consistent list result. You can start a new list without " +
		"the continue parameter, or use the continue token in this response to " +
		"retrieve the remainder of the results. Continuing with the provided " +
		"token results in an inconsistent list - objects that were created, " +
		"modified, or deleted between the time the first chunk was returned " +
		"and now may show up in the list.")
	err.ErrStatus.ListMeta.Continue = continueAt(p.from, p.scope, -1)
	return err
}

// listSnapshot lists a state that memory holds.
func (s *Store) listSnapshot(snapshot watchcache.Snapshot, revision int64, p page) *List {
	return p.collect(revision, s.ascend(snapshot, p), func(from string) int64 {
		return int64(snapshot.Count(p.namespace, from))
	})
}

// ascend walks the objects of a snapshot that a page may have, in key order.
func (s *Store) ascend(snapshot watchcache.Snapshot, p page) func(func(*watchcache.Object) bool) {
	return func(f func(*watchcache.Object) bool) {
		if p.field < 0 {
			snapshot.AscendNamespace(p.namespace, p.from, f)
			return
		}
		snapshot.ByIndexFrom(p.field, p.value, p.from, func(o *watchcache.Object) bool {
			return p.namespace != "" && o.Namespace != p.namespace || f(o)
		})
	}
}

// collect makes the page of what walk gives. count tells how many objects there
// are from a key on; nil means to walk over them.
func (p page) collect(revision int64, walk func(func(*watchcache.Object) bool), count func(from string) int64) *List {
	list := &List{Revision: revision, Items: make([]*watchcache.Object, 0, p.room(count))}
	rest := int64(0)
	walk(func(o *watchcache.Object) bool {
		switch {
		case !p.paged || int64(len(list.Items)) < p.limit:
			if p.picks(o) {
				list.Items = append(list.Items, o)
			}
			return true
		case !p.all: // the rest is counted only where the count is told
			rest = 1
			return false
		case count != nil:
			rest = count(o.Key)
			return false
		}
		rest++
		return true
	})
	if rest > 0 {
		list.Continue = encodeContinue(list.Items[len(list.Items)-1].Key, p.scope, revision)
		if p.all {
			list.Remaining = &rest
		}
	}
	return list
}

// room guesses how many objects the page will have.
func (p page) room(count func(from string) int64) int64 {
	switch {
	case p.paged:
		return min(p.limit, 500)
	case p.all && count != nil:
		return count(p.from)
	}
	return 0
}

// readRecord makes an object of a record that is not in the cache.
func (s *Store) readRecord(rec storage.Record) (*watchcache.Object, error) {
	o, err := s.read(rec.Value, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rec.Key, err)
	}
	o.Revision, o.Key = rec.Revision, rec.Key[len(s.prefix):]
	o.Namespace, o.Name = s.splitKey(o.Key)
	return o, nil
}
