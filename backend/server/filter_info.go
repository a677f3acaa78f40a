package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"pilothouse/backend/request"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/selection"
)

// maxAuditID is the length at which a client's Audit-ID is cut off.
const maxAuditID = 64

// auditID gives the request its id, the client's own if it sent one, and the
// response the headers that tell it and what flow control made of the request.
func (o *FilterOptions) auditID(next request.Handler) request.Handler {
	mark := IDMark(o.Server)
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		if r.ID == "" {
			r.ID = r.Header.Get("Audit-ID")
		}
		if r.ID == "" {
			r.ID = uuid.NewString()
			if o.Server != "" {
				r.ID = r.ID[:len(r.ID)-len(mark)] + mark
			}
		}
		r.ID = r.ID[:min(len(r.ID), maxAuditID)]
		p, err := next(ctx, r)
		if p != nil {
			p.Header = append(p.Header[:len(p.Header):len(p.Header)], request.HeaderLine{Name: "Audit-Id", Value: r.ID})
			if r.FlowSchema != "" {
				p.Header = append(p.Header,
					request.HeaderLine{Name: "X-Kubernetes-Pf-Flowschema-Uid", Value: r.FlowSchema},
					request.HeaderLine{Name: "X-Kubernetes-Pf-Prioritylevel-Uid", Value: r.PriorityLevel})
			}
		}
		return p, err
	}
}

// IDMark is what the audit ids end with that a server of several gives, so that
// the others can tell who asks about a request which server took it: 24 bits of
// the random ones' 122.
func IDMark(server string) string {
	sum := sha256.Sum256([]byte(server))
	return hex.EncodeToString(sum[:3])
}

// parseInfo finds out what the request is about.
func parseInfo(next request.Handler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		watch, name := false, ""
		if r.RawQuery != "" && (r.Method == "GET" || r.Method == "HEAD") {
			watch, name = isWatch(r), selectedName(r)
		}
		r.Info = request.ParseInfo(r.Method, r.Path, watch, name)
		if r.Info.Unclear {
			return unclear(r.Path), nil
		}
		if r.Info.IsResource && strings.Contains(r.RawQuery, "Selector") && (r.Info.Verb == "list" || r.Info.Verb == "watch" || r.Info.Verb == "deletecollection") {
			r.Info.FieldSelector, r.Info.LabelSelector = r.Query().Get("fieldSelector"), r.Query().Get("labelSelector")
			r.Info.Fields = fieldTerms(r.Info.FieldSelector)
		}
		return next(ctx, r)
	}
}

var escapeText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// unclear is how Kubernetes says that it cannot tell what a path is about.
func unclear(path string) *request.Response {
	body := fmt.Sprintf("Internal Server Error: %q: failed to create RequestInfo: unable to determine kind and namespace from url, %v\n", path, path)
	return &request.Response{
		Status: http.StatusInternalServerError, ContentType: "text/plain; charset=utf-8", Body: []byte(escapeText.Replace(body)),
		Header: []request.HeaderLine{{Name: "X-Content-Type-Options", Value: "nosniff"}},
	}
}

// fieldTerms gives the terms of the field selector that name one value.
func fieldTerms(text string) []request.FieldTerm {
	if text == "" {
		return nil
	}
	selector, err := fields.ParseSelector(text)
	if err != nil {
		return nil // the endpoint says what is wrong with it
	}
	var out []request.FieldTerm
	for _, q := range selector.Requirements() {
		if q.Operator == selection.Equals || q.Operator == selection.DoubleEquals {
			out = append(out, request.FieldTerm{Field: q.Field, Value: q.Value})
		}
	}
	return out
}

// isWatch reads the watch parameter as Kubernetes reads booleans: it is true
// when it is there, unless it says "false" or "0".
func isWatch(r *request.Request) bool {
	if !strings.Contains(r.RawQuery, "watch") {
		return false
	}
	v, ok := r.Query()["watch"]
	return ok && len(v) > 0 && !strings.EqualFold(v[0], "false") && v[0] != "0"
}

// selectedName is the one name that a field selector asks for, so that a list
// of it is authorized like a get of it.
func selectedName(r *request.Request) string {
	if !strings.Contains(r.RawQuery, "fieldSelector") {
		return ""
	}
	selector, err := fields.ParseSelector(r.Query().Get("fieldSelector"))
	if err != nil {
		return "" // the endpoint says what is wrong with it
	}
	name, ok := selector.RequiresExactMatch("metadata.name")
	if !ok || len(path.IsValidPathSegmentName(name)) > 0 {
		return ""
	}
	return name
}
