package client

import (
	"errors"
	"strings"

	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Refused is a Status error of the API with the audit id of the request that it
// answered, by which the audit log and the server's memory of requests know it.
type Refused struct {
	err     error
	status  metav1.Status
	AuditID string
}

// Error gives the message.
func (r *Refused) Error() string { return r.err.Error() }

// Status is what the API answered.
func (r *Refused) Status() metav1.Status { return r.status }

// Unwrap gives the error without the id.
func (r *Refused) Unwrap() error { return r.err }

// refused adds a request's audit id to an error, if that is a Status error.
func refused(err error, auditID string) error {
	var api apierrors.APIStatus
	if err == nil || auditID == "" || !errors.As(err, &api) {
		return err
	}
	return &Refused{err, api.Status(), auditID}
}

// auditIDOf is the id that an answer tells.
func auditIDOf(resp *request.Response) string {
	for _, h := range resp.Header {
		if strings.EqualFold(h.Name, "Audit-Id") {
			return h.Value
		}
	}
	return ""
}
