package pages

import (
	"context"
	"errors"

	"pilothouse/web/session"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FormToken is for the forms of a page.
func (c *Call) FormToken() string {
	if c.Session == nil {
		return ""
	}
	return session.FormToken(c.Secret)
}

func statusNotFound(message string) metav1.Status {
	return metav1.Status{Status: metav1.StatusFailure, Code: 404, Reason: metav1.StatusReasonNotFound, Message: message}
}

func statusBadRequest(message string) metav1.Status {
	return metav1.Status{Status: metav1.StatusFailure, Code: 400, Reason: metav1.StatusReasonBadRequest, Message: message}
}

// Refused is the status of a request that did not come from where it has to.
func Refused(message string) metav1.Status {
	return metav1.Status{Status: metav1.StatusFailure, Code: 403, Reason: metav1.StatusReasonForbidden, Message: message}
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
