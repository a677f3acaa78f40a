package registry

import (
	"context"
	"fmt"
	"strconv"

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
	}
	object := s.current(key)
	if object == nil {
		return nil, s.notFound(name)
	}
	return object, nil
}

// waitFor waits until reads show a revision.
func (s *Store) waitFor(ctx context.Context, revision int64) error {
	if s.hub.Revision() >= revision {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, s.o.FutureWait)
	defer cancel()
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
