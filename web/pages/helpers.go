package pages

import (
	"context"
	"errors"
	"net/http"

	"pilothouse/web/messages"
	"pilothouse/web/session"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FormToken is for the forms of a page.
func (c *Call) FormToken() string {
	if c.Session == nil {
		return ""
	}
	return session.FormToken(c.Secret)
}

// refusal is an error of the dashboard's own: a Status as the API's errors are,
// with a text that can be said in the user's language.
type refusal struct {
	*apierrors.StatusError
	text error
}

func refuse(code int32, reason metav1.StatusReason, text messages.Text, args []any) error {
	said := messages.Errorf(text, args...)
	return &refusal{&apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: said.Error()}}, said}
}

func notFound(text messages.Text, args ...any) error {
	return refuse(http.StatusNotFound, metav1.StatusReasonNotFound, text, args)
}

func badRequest(text messages.Text, args ...any) error {
	return refuse(http.StatusBadRequest, metav1.StatusReasonBadRequest, text, args)
}

// refuseAs is badRequest with an error of messages.Errorf.
func refuseAs(err error) error {
	e := apierrors.NewBadRequest(err.Error())
	return &refusal{e, err}
}

// Refused is the error of a request that the dashboard itself does not take, in
// the user's language.
func Refused(code int32, reason metav1.StatusReason, text messages.Text) error {
	return refuse(code, reason, text, nil)
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
