package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"pilothouse/backend/authz"
	"pilothouse/backend/authz/rbac"
	"pilothouse/backend/life"
	"pilothouse/backend/logging"
	"pilothouse/backend/request"
	"pilothouse/backend/server"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// openLife makes what remembers requests.
func (s *Server) openLife() {
	f := &s.options.Features
	if f.RequestsKept == 0 {
		return
	}
	s.life = life.New(life.Options{
		Keep: f.RequestsKept, Slow: f.SlowRequest, Masked: server.MaskedURI,
		Status: func(r *request.Request, err error) *metav1.Status {
			status, _ := server.ErrorStatus(r, err)
			return status
		},
	})
}

func (s *Server) lifeFilter() server.Filter {
	if s.life == nil {
		return nil
	}
	return s.life.Filter
}

// explain tells why a request was allowed, or what it would have needed, as far
// as RBAC has a say.
func (s *Server) explain(r *life.Record) *life.Access {
	decision := r.Annotation("authorization.k8s.io/decision")
	if decision == "" || r.User == nil {
		return nil
	}
	out := &life.Access{Decision: decision, Reason: r.Annotation("authorization.k8s.io/reason")}
	at := authz.FromInfo(r.User, &r.Info)
	if decision != "allow" {
		out.Needed, out.Roles = needed(&at), s.authorization.policy.RolesAllowing(&at)
		return out
	}
	g, ok := s.authorization.policy.Explain(&at)
	if !ok {
		return out
	}
	out.Binding, out.Role, out.Rule = bindingName(&g), g.RoleKind+" "+g.RoleName, &g.Rule
	_, reason, _ := s.authorization.policy.Authorize(context.Background(), &at) //nolint:errcheck // it has just been answered
	if reason != out.Reason {
		if !isRBAC(out.Reason) {
			out.Binding, out.Role, out.Rule = "", "", nil // another authorizer came first
		} else {
			out.Changed = true
		}
	}
	return out
}

func isRBAC(reason string) bool { return len(reason) >= 5 && reason[:5] == "RBAC:" }

func bindingName(g *rbac.Grant) string {
	if g.BindingNamespace == "" {
		return "ClusterRoleBinding " + g.BindingName
	}
	return "RoleBinding " + g.BindingNamespace + "/" + g.BindingName
}

// needed is the smallest rule that covers a request.
func needed(at *authz.Attributes) *rbacv1.PolicyRule {
	if !at.IsResource {
		return &rbacv1.PolicyRule{Verbs: []string{at.Verb}, NonResourceURLs: []string{at.Path}}
	}
	resource := at.Resource
	if at.Subresource != "" {
		resource += "/" + at.Subresource
	}
	return &rbacv1.PolicyRule{Verbs: []string{at.Verb}, APIGroups: []string{at.Group}, Resources: []string{resource}}
}

// whoCanPath tells who may do something: ?verb=V&resource=R&group=G&subresource=
// S&namespace=N&name=M, or ?verb=V&path=P.
const whoCanPath = "/debug/who-can"

// WhoCan is its answer.
type WhoCan struct {
	Grants []Granted `json:"grants"`
}

// Granted is one way in which somebody may do it.
type Granted struct {
	Subject rbacv1.Subject    `json:"subject"`
	Binding string            `json:"binding"`
	Role    string            `json:"role"`
	Rule    rbacv1.PolicyRule `json:"rule"`
}

func (s *Server) serveWhoCan(_ context.Context, r *request.Request) (*request.Response, error) {
	q := r.Query()
	at := authz.Attributes{
		Verb: q.Get("verb"), Group: q.Get("group"), Resource: q.Get("resource"), Subresource: q.Get("subresource"),
		Namespace: q.Get("namespace"), Name: q.Get("name"), Path: q.Get("path"), IsResource: q.Get("path") == "",
	}
	if at.Verb == "" || at.Resource == "" && at.Path == "" {
		return nil, apierrors.NewBadRequest("verb and resource, or verb and path, are needed")
	}
	out := WhoCan{Grants: []Granted{}}
	for _, g := range s.authorization.policy.WhoCan(&at) {
		out.Grants = append(out.Grants, Granted{g.Subject, bindingName(&g), g.RoleKind + " " + g.RoleName, g.Rule})
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return &request.Response{ContentType: "application/json", Body: append(body, '\n')}, nil
}

// serveFlags changes the verbosity of the log: PUT /debug/flags/v, as in
// kube-apiserver.
func serveFlags(_ context.Context, r *request.Request) (*request.Response, error) {
	if r.Path != "/debug/flags/v" {
		return plainText(http.StatusOK, "/debug/flags/\n\n/debug/flags/v\n"), nil
	}
	if r.Method != http.MethodPut {
		return plainText(http.StatusNotAcceptable, "unsupported http method"), nil
	}
	level := string(r.Body)
	if err := logging.SetVerbosity(level); err != nil {
		return plainText(http.StatusBadRequest, fmt.Sprintf("failed set klog.logging.verbosity %s: %v", level, err)), nil
	}
	return plainText(http.StatusOK, "successfully set klog.logging.verbosity to "+level), nil
}

func plainText(status int, text string) *request.Response {
	return &request.Response{
		Status: status, ContentType: "text/plain", Body: []byte(text),
		Header: []request.HeaderLine{{Name: "X-Content-Type-Options", Value: "nosniff"}},
	}
}
