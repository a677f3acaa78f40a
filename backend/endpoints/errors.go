package endpoints

import (
	"net/http"

	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The answers to requests that fit no route are those of Kubernetes' router:
// they name no resource.
var (
	errNoRoute         = routeError(http.StatusNotFound, "")
	errNoMethod        = routeError(http.StatusMethodNotAllowed, "")
	errNoPatchType     = routeError(http.StatusUnsupportedMediaType, "415: Unsupported Media Type")
	errNameMissing     = apierrors.NewBadRequest("name must be provided")
	errDryRunOnConnect = apierrors.NewBadRequest("dryRun is not supported")
)

func routeError(code int, message string) error {
	return apierrors.NewGenericServerResponse(code, "", schema.GroupResource{}, "", message, 0, false)
}

// notFoundPage is the answer for paths that no part of the server knows.
func notFoundPage() *request.Response {
	return &request.Response{
		Status:      http.StatusNotFound,
		ContentType: "text/plain; charset=utf-8",
		Header:      []request.HeaderLine{{Name: "X-Content-Type-Options", Value: "nosniff"}},
		Body:        []byte("404 page not found\n"),
	}
}

// shownError is a 500 whose text the client sees. Kubernetes answers so where
// an error was not made for the API, and clients know these texts; it is used
// for such texts alone, never for an error whose text is not known.
func shownError(text string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusInternalServerError,
		Message: text,
	}}
}

// notAcceptable is a 406 that the client gets for asking for a form that the
// answer doesn't have.
func notAcceptable(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusNotAcceptable,
		Reason:  metav1.StatusReasonNotAcceptable,
		Message: message,
	}}
}

func unsupportedMediaType(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusUnsupportedMediaType,
		Reason:  metav1.StatusReasonUnsupportedMediaType,
		Message: message,
	}}
}

// unprocessable is the 422 without any detail that failed patches give.
func unprocessable(message string) error {
	return apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", message, 0, false)
}
