package registry

import (
	"context"
	"errors"
	"fmt"

	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Watch gives a watcher of what the options select; the caller closes it.
//
// Without a resource version, or with "0", it begins with the current state as
// ADDED events; with another one it goes on after that revision, which may lie
// in the future. sendInitialEvents true begins with a state that is at least as
// new as the version, false goes on from the current state.
//
// Errors of options are 422 and 400, a version that is no number a 500. A
// version that is too old (IsResourceExpired) or has not come in time (IsTimeout
// with sendInitialEvents) is told by Kubernetes inside the stream, as an ERROR
// event after a 200.
func (s *Store) Watch(ctx context.Context, o WatchOptions) (*watchcache.Watcher, error) {
	if err := checkWatchOptions(o); err != nil {
		return nil, err
	}
	sel, err := s.selects(o.Namespace, o.Labels, o.Fields)
	if err != nil {
		return nil, err
	}
	revision, fault := parseVersion(o.ResourceVersion)
	if fault != "" {
		return nil, textError(fault)
	}
	w := watchcache.WatchOptions{
		Namespace: sel.namespace,
		Name:      sel.name,
		Match:     sel.match,
	}
	if sel.field >= 0 {
		w.ByField, w.FieldIndex, w.FieldValue = true, sel.field, sel.value
	}
	switch {
	case o.SendInitialEvents != nil && *o.SendInitialEvents:
		if err := s.waitFor(ctx, revision); err != nil {
			return nil, err
		}
		w.Initial = true
	case revision > 0:
		w.From = revision
	case o.SendInitialEvents != nil:
		w.From = -1
	default:
		w.Initial = true
	}
	if floor := s.floor.Load(); w.From > 0 && w.From < floor {
		return nil, watchError(watchcache.ErrExpired, revision, floor)
	}
	watcher, err := s.cache.Watch(w)
	return watcher, watchError(err, revision, s.cache.Oldest())
}

// watchError turns an error of a watcher's start into a Status error.
func watchError(err error, revision, oldest int64) error {
	switch {
	case errors.Is(err, watchcache.ErrExpired):
		return apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d (%d)", revision, oldest))
	case errors.Is(err, watchcache.ErrRemoved):
		return apierrors.NewServiceUnavailable("the resource is no longer served")
	}
	return err
}
