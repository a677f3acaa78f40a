package backend

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"pilothouse/backend/discovery"
	"pilothouse/backend/health"
	"pilothouse/backend/history"
	"pilothouse/backend/life"
	"pilothouse/backend/metrics"
	"pilothouse/backend/openapi"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/version"
)

// pathHandler answers some of the paths that are no resource.
type pathHandler struct {
	handles func(path string) bool
	handle  request.Handler
	// listed are its paths for the list at "/".
	listed func() []string
}

// paths are all handlers of paths that are no resource. Their paths do not
// overlap, so the order means nothing.
func (s *Server) paths(documents *openapi.Service) []pathHandler {
	d := discovery.New(discovery.Config{Registry: s.registry, Address: s.advertised(), Remote: s.aggregator.Groups})
	list := []pathHandler{
		{discovery.Handles, d.Handle, d.Paths},
		{health.Handles, s.health.Handle, s.health.Paths},
		{openapi.Handles, documents.Handle, fixed("/openapi/v2", "/openapi/v3")},
		{is("/version", "/version/"), serveVersion, fixed("/version")},
		{is("/metrics"), serveMetrics, fixed("/metrics")},
		{is(request.BackupPath), s.serveBackup, fixed(request.BackupPath)},
	}
	if d := s.authentication.discovery; d != nil {
		list = append(list, pathHandler{d.Handles, d.Handle, d.Paths})
	}
	if s.options.Features.Profiling {
		list = append(list,
			pathHandler{isProfile, serveProfile, fixed("/debug/pprof", "/debug/pprof/profile")},
			pathHandler{is("/debug/flags", "/debug/flags/", "/debug/flags/v"), serveFlags, fixed("/debug/flags", "/debug/flags/v")})
	}
	list = append(list, pathHandler{is(whoCanPath), s.serveWhoCan, fixed(whoCanPath)})
	if s.audit != nil && s.audit.Journal != nil {
		list = append(list, pathHandler{is(auditPath), s.serveAudit, fixed(auditPath)})
	}
	if s.timeline != nil {
		list = append(list, pathHandler{is(history.ChangesPath), history.ServeChanges(s.registry, s.authorization, s.past()), fixed(history.ChangesPath)})
	}
	if s.flow != nil {
		for name, dump := range s.flow.Dumps() {
			list = append(list, pathHandler{is("/debug/api_priority_and_fairness/" + name), text(dump), fixed()})
		}
	}
	if s.life != nil {
		list = append(list, pathHandler{life.Handles, s.life.Serve(s.explain, s.elsewhere()), life.Paths})
	}
	return list
}

// text serves what give gives as plain text.
func text(give func() []byte) request.Handler {
	return func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{ContentType: "text/plain; charset=utf-8", Body: give()}, nil
	}
}

func is(paths ...string) func(string) bool {
	return func(path string) bool { return slices.Contains(paths, path) }
}

func fixed(paths ...string) func() []string { return func() []string { return paths } }

// servePaths gives the handler of all paths that are no resource.
func servePaths(list []pathHandler) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		if r.Path == "/" || r.Path == "" || r.Path == "/index.html" {
			return serveRoot(list)
		}
		if strings.HasPrefix(r.Path, "//") {
			return notFound(), nil
		}
		for _, p := range list {
			if p.handles(r.Path) {
				return p.handle(ctx, r)
			}
		}
		return notFound(), nil
	}
}

// serveRoot lists the paths, as kube-apiserver does at "/".
func serveRoot(list []pathHandler) (*request.Response, error) {
	var paths []string
	for _, p := range list {
		paths = append(paths, p.listed()...)
	}
	slices.Sort(paths)
	return indented(map[string][]string{"paths": slices.Compact(paths)})
}

func serveVersion(_ context.Context, r *request.Request) (*request.Response, error) {
	if err := scheme.OnlyGet(r.Method, r.Header.Get("Accept"), "application/json"); err != nil {
		return nil, err
	}
	return indented(version.Info())
}

func serveMetrics(context.Context, *request.Request) (*request.Response, error) {
	body, contentType, err := metrics.Text()
	if err != nil {
		return nil, err
	}
	return &request.Response{ContentType: contentType, Body: body}, nil
}

func indented(v any) (*request.Response, error) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	return &request.Response{ContentType: "application/json", Body: body}, nil
}

func notFound() *request.Response {
	return &request.Response{
		Status: http.StatusNotFound, ContentType: "text/plain; charset=utf-8", Body: []byte("404 page not found\n"),
		Header: []request.HeaderLine{{Name: "X-Content-Type-Options", Value: "nosniff"}},
	}
}

func isProfile(path string) bool {
	return path == "/debug/pprof" || strings.HasPrefix(path, "/debug/pprof/")
}
