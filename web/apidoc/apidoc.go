// Package apidoc owns what the dashboard knows of the API's own description:
// the OpenAPI v3 documents, read through the API as the user, parsed once for
// each version of a document, and followed one level at a time, because the
// schemas refer to one another in circles. Read apidoc.go first, then schema.go.
package apidoc

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/metrics"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
)

// Library holds the documents that have been read. It is safe for concurrent
// use.
type Library struct {
	mu     sync.Mutex
	docs   map[string]*Document // by path
	warmed atomic.Bool
}

// New gives an empty Library.
func New() *Library { return &Library{docs: map[string]*Document{}} }

// Document is the description of one group version, or of other paths.
type Document struct {
	// Path is "api/v1" or "apis/apps/v1".
	Path       string
	Operations []*Operation
	Schemas    map[string]*Schema

	address string
	kinds   map[string]string // schema names
}

// Operation is one method of one path.
type Operation struct {
	Method, Path, ID, Description string
	// Action is Kubernetes' verb: get, list, post, put, patch, delete,
	// deletecollection, watch, connect.
	Action     string
	GVK        schema.GroupVersionKind
	Parameters []Parameter
	Body       *Schema
	Responses  []Response
}

// Parameter is one parameter of an operation.
type Parameter struct {
	Name, In, Description, Type string
	Required                    bool
}

// Response is one answer of an operation.
type Response struct {
	Code, Description string
	Schema            *Schema
}

// atOnce is how many documents are read at the same time.
const atOnce = 4

// Warm reads all documents in the background, the first time that it is called:
// they are wanted by the editor and the explorer, and take a moment to read.
func (l *Library) Warm(c *client.Client) {
	if !l.warmed.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer metrics.Caught("apidoc")
		ctx, cancel := context.WithTimeout(context.Background(), warmTimeout)
		defer cancel()
		if _, err := l.All(ctx, c); err != nil {
			l.warmed.Store(false)
			klog.V(2).InfoS("The API's description was not read ahead", "err", err)
		}
	}()
}

// warmTimeout bounds reading ahead.
const warmTimeout = time.Minute

// Index gives the addresses of all documents by their paths.
func (l *Library) Index(ctx context.Context, c *client.Client) (map[string]string, error) {
	raw, err := c.Bytes(ctx, client.Call{Method: "GET", Path: "/openapi/v3"})
	if err != nil {
		return nil, err
	}
	var index struct {
		Paths map[string]struct {
			ServerRelativeURL string `json:"serverRelativeURL"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, fmt.Errorf("read the index of documents: %w", err)
	}
	out := map[string]string{}
	for path, p := range index.Paths {
		out[path] = p.ServerRelativeURL
	}
	return out, nil
}

// Document gives the document of a path such as "apis/apps/v1"; nil when there
// is none.
func (l *Library) Document(ctx context.Context, c *client.Client, path string) (*Document, error) {
	index, err := l.Index(ctx, c)
	if err != nil {
		return nil, err
	}
	return l.at(ctx, c, path, index[path])
}

func (l *Library) at(ctx context.Context, c *client.Client, path, address string) (*Document, error) {
	if address == "" {
		return nil, nil
	}
	l.mu.Lock()
	d := l.docs[path]
	l.mu.Unlock()
	if d != nil && d.address == address {
		return d, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("read the index of documents: %w", err)
	}
	raw, err := c.Bytes(ctx, client.Call{Method: "GET", Path: u.Path, Query: u.Query()})
	if err != nil {
		return nil, err
	}
	if d, err = parse(path, raw); err != nil {
		return nil, err
	}
	d.address = address
	l.mu.Lock()
	defer l.mu.Unlock()
	l.docs[path] = d
	return d, nil
}

// All gives all documents, ordered by path.
func (l *Library) All(ctx context.Context, c *client.Client) ([]*Document, error) {
	index, err := l.Index(ctx, c)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex // guards list
	var list []*Document
	reading, ctx := errgroup.WithContext(ctx)
	reading.SetLimit(atOnce)
	for path, address := range index {
		reading.Go(func() error {
			return metrics.Protected("apidoc", func() error {
				d, err := l.at(ctx, c, path, address)
				if err != nil || d == nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				list = append(list, d)
				return nil
			})
		})
	}
	if err := reading.Wait(); err != nil {
		return nil, err
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Path < list[j].Path })
	l.forget(index)
	return list, nil
}

// forget drops documents that are not served any more.
func (l *Library) forget(index map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for path := range l.docs {
		if index[path] == "" {
			delete(l.docs, path)
		}
	}
}

// PathOf is the path of the document that describes a group version.
func PathOf(gv schema.GroupVersion) string {
	if gv.Group == "" {
		return "api/" + gv.Version
	}
	return "apis/" + gv.Group + "/" + gv.Version
}

// document is the part of an OpenAPI v3 document that is of use here.
type document struct {
	Paths map[string]struct {
		Parameters []parameter `json:"parameters"`
		Get        *operation  `json:"get"`
		Put        *operation  `json:"put"`
		Post       *operation  `json:"post"`
		Delete     *operation  `json:"delete"`
		Patch      *operation  `json:"patch"`
		Head       *operation  `json:"head"`
		Options    *operation  `json:"options"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]*Schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID          string      `json:"operationId"`
	Description string      `json:"description"`
	Parameters  []parameter `json:"parameters"`
	Body        *struct {
		Content content `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Description string  `json:"description"`
		Content     content `json:"content"`
	} `json:"responses"`
	Action string                   `json:"x-kubernetes-action"`
	GVK    *schema.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
}

type parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description"`
	Required    bool    `json:"required"`
	Schema      *Schema `json:"schema"`
}

type content map[string]struct {
	Schema *Schema `json:"schema"`
}

func (c content) schema() *Schema {
	for _, media := range []string{"application/json", "*/*", "application/json-patch+json"} {
		if m, ok := c[media]; ok && m.Schema != nil {
			return m.Schema
		}
	}
	return nil
}

func parse(path string, raw []byte) (*Document, error) {
	var in document
	if err := json.Unmarshal(raw, &in, json.MatchCaseInsensitiveNames(true)); err != nil {
		return nil, fmt.Errorf("read the document of %s: %w", path, err)
	}
	d := &Document{Path: path, Schemas: in.Components.Schemas, kinds: map[string]string{}}
	for address, p := range in.Paths {
		for _, m := range []struct {
			method string
			o      *operation
		}{{"GET", p.Get}, {"POST", p.Post}, {"PUT", p.Put}, {"PATCH", p.Patch}, {"DELETE", p.Delete}, {"HEAD", p.Head}, {"OPTIONS", p.Options}} {
			if m.o != nil {
				d.Operations = append(d.Operations, m.o.read(m.method, address, p.Parameters))
			}
		}
	}
	sort.SliceStable(d.Operations, func(i, j int) bool {
		a, b := d.Operations[i], d.Operations[j]
		if a.Path != b.Path {
			return a.Path < b.Path
		}
		return a.Method < b.Method
	})
	for _, name := range slices.Sorted(maps.Keys(d.Schemas)) {
		s := d.Schemas[name]
		s.Name = name
		for _, gvk := range s.GVK {
			if len(s.GVK) == 1 && PathOf(gvk.GroupVersion()) == path {
				d.kinds[gvk.Kind] = name
			}
		}
	}
	return d, nil
}

func (o *operation) read(method, path string, shared []parameter) *Operation {
	out := &Operation{Method: method, Path: path, ID: o.ID, Description: o.Description, Action: o.Action}
	if o.GVK != nil {
		out.GVK = *o.GVK
	}
	for _, p := range append(slices.Clone(shared), o.Parameters...) {
		q := Parameter{Name: p.Name, In: p.In, Description: p.Description, Required: p.Required}
		if p.Schema != nil {
			q.Type = p.Schema.Type
		}
		out.Parameters = append(out.Parameters, q)
	}
	if o.Body != nil {
		out.Body = o.Body.Content.schema()
	}
	for code, r := range o.Responses {
		out.Responses = append(out.Responses, Response{Code: code, Description: r.Description, Schema: r.Content.schema()})
	}
	sort.SliceStable(out.Responses, func(i, j int) bool { return out.Responses[i].Code < out.Responses[j].Code })
	return out
}

// Operation finds an operation.
func (d *Document) Operation(method, path string) *Operation {
	for _, o := range d.Operations {
		if o.Method == method && o.Path == path {
			return o
		}
	}
	return nil
}

// Kind gives the schema of a kind of the document's group version, nil when it
// has none.
func (d *Document) Kind(kind string) *Schema { return d.Schemas[d.kinds[kind]] }
