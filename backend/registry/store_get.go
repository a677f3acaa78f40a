package registry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/storage"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Get gives one object, at least as new as the options ask. A resourceVersion
// that is not there yet is waited for a little, then it is a 504 with the cause
// ResourceVersionTooLarge.
func (s *Store) Get(ctx context.Context, ns, name string, o GetOptions) (*watchcache.Object, error) {
	key, err := s.key(ns, name)
	if err != nil {
		return nil, err
	}
	if o.ResourceVersion != "" {
		revision, text := parseVersion(o.ResourceVersion)
		if text != "" {
			return nil, textError(text)
		}
		if err := s.waitFor(ctx, revision); err != nil {
			return nil, err
		}
		if o.Exact && revision > 0 {
			return s.getExact(ctx, key, name, revision)
		}
	}
	object := s.current(key)
	if object == nil {
		return nil, s.notFound(name)
	}
	return object, nil
}

// getExact gives an object as it was at a revision: a 404 when it was not there
// then, a 410 when nobody knows any more.
func (s *Store) getExact(ctx context.Context, key, name string, revision int64) (*watchcache.Object, error) {
	if revision < s.floor.Load() {
		return nil, expiredGet()
	}
	if object := s.current(key); object != nil && object.Revision <= revision {
		return object, nil
	}
	object, err := s.stored(ctx, key, revision)
	if err == nil && object == nil {
		err = s.notFound(name)
	}
	return object, err
}

// stored gives what storage had under a key at a revision, nil for nothing.
func (s *Store) stored(ctx context.Context, key string, revision int64) (object *watchcache.Object, err error) {
	at := s.prefix + key
	var faulty error
	began := time.Now()
	err = s.engine.ListAt(ctx, revision, at, at+"\x00", func(rec storage.Record) bool {
		object, faulty = s.readRecord(rec)
		return false
	})
	s.calls.Called(metrics.StorageGet, began, err)
	switch {
	case errors.Is(err, storage.ErrCompacted):
		return nil, expiredGet()
	case err != nil:
		return nil, storageError(err)
	}
	return object, faulty
}

func expiredGet() error {
	return apierrors.NewResourceExpired("The resourceVersion for the provided get is too old.")
}

// waitFor waits until reads show a revision.
func (s *Store) waitFor(ctx context.Context, revision int64) error {
	if s.hub.Revision() >= revision {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, s.o.FutureWait)
	defer cancel()
	defer s.waited(time.Now())
	if s.hub.WaitFor(wait, revision) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return apierrors.NewTimeoutError("request did not complete within requested timeout", 0)
	}
	return tooLargeVersion(revision, s.hub.Revision())
}

// parseVersion reads a resourceVersion of a read's options; what is wrong with
// it comes as text in Kubernetes' words.
func parseVersion(v string) (revision int64, fault string) {
	if v == "" || v == "0" {
		return 0, ""
	}
	n, err := strconv.ParseUint(v, 10, 63)
	if err != nil {
		return 0, fmt.Sprintf("resourceVersion: Invalid value: %q: %v", v, err)
	}
	return int64(n), ""
}
