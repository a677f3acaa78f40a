package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"pilothouse/backend/storage"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// errModified is what a client gets whose resourceVersion is not the newest.
var errModified = errors.New("the object has been modified; please apply your changes to the latest version and try again")

// textError is a 500 whose text the client sees: Kubernetes answers so where an
// error was not made for the API, and clients have come to know the texts.
func textError(text string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusInternalServerError,
		Message: text,
	}}
}

// storageError turns an error of storage into a Status error; conflicts are the
// caller's. Anything unknown is left as it is: a 500 without its text.
func storageError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return apierrors.NewTimeoutError("request did not complete within requested timeout", 0)
	case errors.Is(err, storage.ErrNoSpace):
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status:  metav1.StatusFailure,
			Code:    http.StatusInsufficientStorage,
			Reason:  "InsufficientStorage",
			Message: "the disk is nearly full: writes are refused until there is room again",
		}}
	case errors.Is(err, storage.ErrTooLarge):
		return apierrors.NewRequestEntityTooLargeError("etcdserver: request is too large")
	case errors.Is(err, storage.ErrClosed):
		return apierrors.NewServiceUnavailable("the server is shutting down")
	}
	return err
}

// tooLargeVersion is the answer to a read at a revision that is not there yet.
func tooLargeVersion(asked, current int64) error {
	err := apierrors.NewTimeoutError(fmt.Sprintf("Too large resource version: %d, current: %d", asked, current), 1)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{
		Type:    metav1.CauseTypeResourceVersionTooLarge,
		Message: "Too large resource version",
	}}
	return err
}

func (s *Store) notFound(name string) error {
	return apierrors.NewNotFound(s.gr, name)
}

func (s *Store) conflict(name string, err error) error {
	return apierrors.NewConflict(s.gr, name, err)
}

// preconditionFailed is the conflict of a precondition that an update or the
// last step of a delete finds broken; the words with the key are those of
// Kubernetes' storage.
func (s *Store) preconditionFailed(ns, name, message string, dryRun bool) error {
	key := s.registryKey(ns, name)
	if dryRun { // which is checked before the storage, whose prefix is not there yet
		key = strings.TrimPrefix(key, registryPrefix)
	}
	return s.conflict(name, fmt.Errorf("StorageError: invalid object, Code: 4, Key: %s, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: %s",
		key, message))
}

// checkPreconditions compares preconditions with an object's uid and
// resourceVersion.
func (s *Store) checkPreconditions(p *metav1.Preconditions, ns, name string, uid types.UID, resourceVersion string, dryRun bool) error {
	if p == nil {
		return nil
	}
	if p.UID != nil && *p.UID != uid {
		return s.preconditionFailed(ns, name, fmt.Sprintf("UID in precondition: %v, UID in object meta: %v", *p.UID, uid), dryRun)
	}
	if p.ResourceVersion != nil && *p.ResourceVersion != resourceVersion {
		return s.preconditionFailed(ns, name, fmt.Sprintf("ResourceVersion in precondition: %v, ResourceVersion in object meta: %v",
			*p.ResourceVersion, resourceVersion), dryRun)
	}
	return nil
}

// registryFolders are the resources whose objects Kubernetes keeps under
// another name than their own.
var registryFolders = map[string]string{
	"endpoints":                          "services/endpoints",
	"ingresses.networking.k8s.io":        "ingress",
	"nodes":                              "minions",
	"replicationcontrollers":             "controllers",
	"services":                           "services/specs",
	"apiservices.apiregistration.k8s.io": "apiregistration.k8s.io/apiservices",
	"customresourcedefinitions.apiextensions.k8s.io": "apiextensions.k8s.io/customresourcedefinitions",
}

// registryPrefix begins the keys of Kubernetes' storage.
const registryPrefix = "/registry"

// registryKey is where Kubernetes would keep an object, as its messages say it.
func (s *Store) registryKey(ns, name string) string {
	folder, ok := registryFolders[s.gr.String()]
	switch {
	case ok:
	case s.resource.Dynamic:
		folder = s.gr.Group + "/" + s.gr.Resource
	default:
		folder = s.gr.Resource
	}
	parts := []string{registryPrefix, folder}
	if s.resource.Namespaced {
		parts = append(parts, ns)
	}
	return strings.Join(append(parts, name), "/")
}
