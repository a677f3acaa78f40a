package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"pilothouse/backend/request"

	"github.com/valyala/fasthttp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	"sigs.k8s.io/yaml"
)

const (
	typeJSON     = "application/json"
	typeYAML     = "application/yaml"
	typeProtobuf = "application/vnd.kubernetes.protobuf"
)

// toStatus gives the API Status of an error. The text of an error that is no
// API error stays in the log, under the request's id.
func toStatus(r *request.Request, err error) *metav1.Status {
	status, known := ErrorStatus(r, err)
	if !known {
		klog.ErrorS(err, "Request failed", "audit-ID", r.ID, "verb", r.Info.Verb, "uri", MaskedURI(r))
	}
	return status
}

// ErrorStatus gives the Status that the client gets for an error; known is false
// for an error that is no API error, whose text the client does not get.
func ErrorStatus(r *request.Request, err error) (_ *metav1.Status, known bool) {
	var api apierrors.APIStatus
	var status metav1.Status
	known = true
	switch {
	case errors.As(err, &api):
		status = api.Status()
	case errors.Is(err, context.DeadlineExceeded):
		status = apierrors.NewTimeoutError("request did not complete within the allotted timeout", 0).ErrStatus
	case errors.Is(err, context.Canceled):
		status = apierrors.NewServiceUnavailable("the server is shutting down").ErrStatus
	default:
		known = false
		status = apierrors.NewInternalError(fmt.Errorf("the server's log tells more under %s", r.ID)).ErrStatus
	}
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	if status.Status == "" {
		status.Status = metav1.StatusFailure
	}
	if status.Code == 0 {
		status.Code = http.StatusInternalServerError
	}
	return &status, known
}

// errorResponse turns an error into the response that carries its Status, in
// the form that the client accepts, JSON when it accepts none that we have: the
// error is not to be hidden behind a second one.
func errorResponse(r *request.Request, err error) *request.Response {
	status := toStatus(r, err)
	p := &request.Response{Status: int(status.Code)}
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		p.Header = append(p.Header, request.HeaderLine{Name: "Retry-After", Value: strconv.Itoa(int(status.Details.RetryAfterSeconds))})
	}
	if p.Status == http.StatusNoContent {
		return p
	}
	p.ContentType, p.Body = encodeStatus(r, status)
	return p
}

func encodeStatus(r *request.Request, status *metav1.Status) (contentType string, body []byte) {
	body, err := json.Marshal(status)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	switch acceptedForError(r.Header.Values("Accept")) {
	case typeYAML:
		if y, err := yaml.JSONToYAML(body); err == nil {
			return typeYAML, y
		}
	case typeProtobuf:
		if p, err := encodeProtobuf(status); err == nil {
			return typeProtobuf, p
		}
	}
	if wantsPretty(r) {
		var indented bytes.Buffer
		if json.Indent(&indented, body, "", "  ") == nil {
			return typeJSON, indented.Bytes()
		}
	}
	return typeJSON, append(body, '\n')
}

// encodeProtobuf wraps a Status as Kubernetes' protobuf form wants it.
func encodeProtobuf(status *metav1.Status) ([]byte, error) {
	raw, err := status.Marshal()
	if err != nil {
		return nil, err
	}
	unknown := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: "v1", Kind: "Status"}, Raw: raw}
	wrapped, err := unknown.Marshal()
	return append([]byte{'k', '8', 's', 0}, wrapped...), err
}

// acceptedForError gives the media type that an Accept header wants most of those
// that a Status can have; JSON when there is none.
func acceptedForError(accept []string) string {
	best, weight := typeJSON, -1.0
	for _, line := range accept {
		for clause := range strings.SplitSeq(line, ",") {
			media, params, _ := strings.Cut(clause, ";")
			if strings.Contains(params, "as=") || strings.Contains(params, "stream=") {
				continue
			}
			media = strings.TrimSpace(media)
			switch media {
			case typeYAML, typeProtobuf:
			case typeJSON, "*/*", "application/*":
				media = typeJSON
			default:
				continue
			}
			if q := quality(params); q > weight {
				best, weight = media, q
			}
		}
	}
	return best
}

// quality is the parameter q of a clause, 1 without one.
func quality(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		if key, value, _ := strings.Cut(param, "="); strings.TrimSpace(key) == "q" {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 32)
			if err == nil {
				return q
			}
			return 0
		}
	}
	return 1
}

// wantsPretty follows Kubernetes: the pretty parameter, or a client that shows
// what it gets to people.
func wantsPretty(r *request.Request) bool {
	if v := r.Query().Get("pretty"); v != "" {
		pretty, err := strconv.ParseBool(v)
		return err == nil && pretty
	}
	agent := r.Header.Get("User-Agent")
	return strings.HasPrefix(agent, "curl") || strings.HasPrefix(agent, "Wget") || strings.HasPrefix(agent, "Mozilla/5.0")
}

// lateRequest is said to who does not send a request in time.
const lateRequest = "the request did not arrive in time"

// answerMalformed answers what could not be read as a request. Nothing of what
// the client sent is repeated.
func answerMalformed(fc *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	code, reason, message := http.StatusBadRequest, metav1.StatusReasonBadRequest, "the request is not valid HTTP/1.1"
	switch {
	case errors.As(err, &small):
		code, reason = http.StatusRequestHeaderFieldsTooLarge, metav1.StatusReasonUnknown
		message = fmt.Sprintf("the request's headers are too large: limit is %d", maxHeaderBytes)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		code, reason = http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge
		message = fmt.Sprintf("Request entity too large: limit is %d", maxTransportBody)
	case errors.As(err, &network) && network.Timeout():
		code, reason, message = http.StatusRequestTimeout, metav1.StatusReasonTimeout, lateRequest
	}
	klog.V(3).InfoS("Malformed request", "srcIP", fc.RemoteAddr().String(), "code", code)
	body, err := json.Marshal(&metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
	})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	fc.Response.Reset()
	fc.SetStatusCode(code)
	fc.SetContentType(typeJSON)
	fc.SetBody(body)
}
