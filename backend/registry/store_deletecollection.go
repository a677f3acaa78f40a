package registry

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DeleteCollection deletes what the list options select, one after the other,
// and gives the objects as they were listed. It is not atomic: the first error
// ends it. Objects that are gone meanwhile are no error. With a limit it deletes
// one page; the list says how to go on. A resourceVersion is the one that is
// listed at, as of a page: Kubernetes deletes page by page.
func (s *Store) DeleteCollection(ctx context.Context, list ListOptions, o DeleteOptions) (*List, error) {
	s.warnOfDelete(ctx, o)
	if rv := list.ResourceVersion; rv != "" && rv != "0" && list.ResourceVersionMatch == "" {
		list.ResourceVersionMatch = metav1.ResourceVersionMatchExact
	}
	l, err := s.List(ctx, list)
	if err != nil {
		return nil, err
	}
	for _, item := range l.Items {
		if err := ctx.Err(); err != nil {
			return nil, storageError(err)
		}
		if _, err := s.Delete(ctx, item.Namespace, item.Name, o); err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
	}
	return l, nil
}
