// Package discovery owns the documents that tell clients which groups, versions
// and resources there are: /api, /apis and what is below them down to a group
// version, one by one and as one aggregated document. They are made from the
// live table, once for each of its states. It never imports a transport. Read
// discovery.go first, then documents.go.
package discovery

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// RemoteGroup is a group, or some versions of one, that another API server
// serves.
type RemoteGroup struct {
	apidiscoveryv2.APIGroupDiscovery
	// Priority places the group among the others, the higher one first.
	Priority int32
}

// Config is what a Service works with. Only Registry has to be there.
type Config struct {
	Registry *registry.Registry
	// Address is where clients reach the server, "10.0.0.1:6443".
	Address string
	// Remote gives the groups of other API servers, and a number that is
	// another one whenever they have changed. Nil means none.
	Remote func() ([]RemoteGroup, int64)
}

// Service answers requests for discovery documents.
type Service struct {
	Config
	mu      sync.Mutex
	current atomic.Pointer[state]
}

// New gives a Service.
func New(c Config) *Service { return &Service{Config: c} }

// Handles tells the paths that a Service answers, apart from those of resources.
func Handles(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first == "api" || first == "apis"
}

// state is everything that is told about one state of the table.
type state struct {
	table  *registry.Table
	remote int64
	docs   *documents
	// encoded are the documents in the forms that were asked for.
	encoded sync.Map // encodedKey -> encoded
}

type encodedKey struct {
	path   string
	media  string
	as     schema.GroupVersionKind
	pretty bool
}

type encoded struct {
	body []byte
	etag string
}

// now gives the state of the table as it is.
func (s *Service) now() *state {
	table := s.Registry.Table()
	var groups []RemoteGroup
	var generation int64
	if s.Remote != nil {
		groups, generation = s.Remote()
	}
	if c := s.current.Load(); c != nil && c.table == table && c.remote == generation {
		return c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.current.Load(); c != nil && c.table == table && c.remote == generation {
		return c
	}
	c := &state{table: table, remote: generation, docs: newDocuments(table, groups, s.Address)}
	s.current.Store(c)
	return c
}

// Paths lists the documents' paths for the list at "/".
func (s *Service) Paths() []string {
	paths := []string{"/api", "/apis"}
	docs := s.now().docs
	for _, g := range docs.groups {
		if g.name != "" {
			paths = append(paths, "/apis/"+g.name)
		}
		for _, v := range g.versions {
			if g.name == "" {
				paths = append(paths, "/api/"+v.Version)
				continue
			}
			paths = append(paths, "/apis/"+g.name+"/"+v.Version)
		}
	}
	return append(paths, "/apis/")
}

// The answers of Kubernetes' router, which name no resource.
var (
	errNoRoute  = apierrors.NewGenericServerResponse(http.StatusNotFound, "", schema.GroupResource{}, "", "", 0, false)
	errNoMethod = apierrors.NewGenericServerResponse(http.StatusMethodNotAllowed, "", schema.GroupResource{}, "", "", 0, false)
)

// Handle is a request.Handler.
func (s *Service) Handle(_ context.Context, r *request.Request) (*request.Response, error) {
	if r.Path == "/apis//" {
		return notFoundPage(), nil
	}
	st := s.now()
	parts := strings.Split(strings.Trim(r.Path, "/"), "/")
	path := "/" + strings.Join(parts, "/")
	switch {
	case path == "/api":
		return st.root(r, path, st.docs.core(), st.docs.coreVersions, true)
	case path == "/apis":
		return st.root(r, path, st.docs.named(), st.docs.groupList, false)
	case parts[0] == "api" && len(parts) == 2:
		return st.versionDocument(r, path, "", parts[1])
	case parts[0] == "apis" && len(parts) == 2:
		return st.groupDocument(r, path, parts[1])
	case parts[0] == "apis" && len(parts) == 3:
		return st.versionDocument(r, path, parts[1], parts[2])
	case parts[0] == "apis" && !st.docs.routed[parts[1]]:
		return notFoundPage(), nil
	}
	return nil, errNoRoute
}

// root answers with the document at /api or /apis: the aggregated one when the
// client takes it at all, whatever else it takes.
func (st *state) root(r *request.Request, path string, aggregated []apidiscoveryv2.APIGroupDiscovery, plain runtime.Object, routed bool) (*request.Response, error) {
	if routed && r.Method != http.MethodGet {
		return nil, errNoMethod
	}
	if accept := r.Header.Get("Accept"); strings.Contains(accept, "apidiscovery.k8s.io") {
		if form, err := scheme.Negotiate(accept, scheme.Offer{Discovery: true}); err == nil {
			return st.aggregated(r, path, form, aggregated)
		}
	}
	return st.answer(r, path, plain, routed)
}

// groupDocument answers with the versions of a group.
func (st *state) groupDocument(r *request.Request, path, group string) (*request.Response, error) {
	g := st.docs.group(group)
	if g == nil || group == "" {
		return notFoundPage(), nil
	}
	return st.answer(r, path, g.apiGroup(), false)
}

// versionDocument answers with the resources of a group version.
func (st *state) versionDocument(r *request.Request, path, group, version string) (*request.Response, error) {
	routed := st.docs.routed[group]
	g := st.docs.group(group)
	var list runtime.Object
	if g != nil {
		list = g.resourceList(version)
	}
	switch {
	case list == nil && routed:
		return nil, errNoRoute
	case list == nil:
		return notFoundPage(), nil
	case routed && r.Method != http.MethodGet:
		return nil, errNoMethod
	}
	return st.answer(r, path, list, routed)
}

// answer gives a document in the form that the client asked for.
func (st *state) answer(r *request.Request, path string, doc runtime.Object, routed bool) (*request.Response, error) {
	form, err := scheme.Negotiate(r.Header.Get("Accept"), scheme.Offer{Routed: routed})
	if err != nil {
		return nil, err
	}
	e, err := st.encode(encodedKey{path: path, media: form.Type, pretty: pretty(r, form)}, doc)
	if err != nil {
		return nil, err
	}
	return &request.Response{ContentType: form.Type, Body: e.body}, nil
}

// aggregated gives an aggregated document, or 304 to a client that has it.
func (st *state) aggregated(r *request.Request, path string, form scheme.MediaType, groups []apidiscoveryv2.APIGroupDiscovery) (*request.Response, error) {
	e, err := st.encode(encodedKey{path, form.Type, form.As, pretty(r, form)}, aggregatedList(groups))
	if err != nil {
		return nil, err
	}
	response := &request.Response{Header: []request.HeaderLine{
		{Name: "ETag", Value: e.etag}, {Name: "Vary", Value: "Accept"}, {Name: "Cache-Control", Value: "public"},
	}}
	if r.Header.Get("If-None-Match") == e.etag {
		response.Status = http.StatusNotModified
		return response, nil
	}
	response.ContentType = form.Type + ";g=" + form.As.Group + ";v=" + form.As.Version + ";as=" + form.As.Kind
	response.Body = e.body
	return response, nil
}

// encode gives a document's bytes, made once for each state of the table.
func (st *state) encode(key encodedKey, doc runtime.Object) (*encoded, error) {
	if e, ok := st.encoded.Load(key); ok {
		return e.(*encoded), nil
	}
	body, err := scheme.EncodeAs(doc, key.media, key.pretty)
	if err != nil {
		return nil, err
	}
	e := &encoded{body: body}
	if key.as.Kind != "" {
		e.etag = strconv.Quote(hash(body))
	}
	kept, _ := st.encoded.LoadOrStore(key, e)
	return kept.(*encoded), nil
}

// pretty tells whether JSON is to be indented: when the client says so, and for
// clients that show it to people.
func pretty(r *request.Request, form scheme.MediaType) bool {
	if form.Type != scheme.MediaJSON || form.Pretty {
		return form.Pretty && form.Type == scheme.MediaJSON
	}
	if strings.Contains(r.RawQuery, "pretty") {
		if p := r.Query().Get("pretty"); p != "" {
			yes, _ := strconv.ParseBool(p)
			return yes
		}
	}
	agent := r.Header.Get("User-Agent")
	return strings.HasPrefix(agent, "curl") || strings.HasPrefix(agent, "Wget") || strings.HasPrefix(agent, "Mozilla/5.0")
}

func notFoundPage() *request.Response {
	return &request.Response{
		Status:      http.StatusNotFound,
		ContentType: "text/plain; charset=utf-8",
		Header:      []request.HeaderLine{{Name: "X-Content-Type-Options", Value: "nosniff"}},
		Body:        []byte("404 page not found\n"),
	}
}
