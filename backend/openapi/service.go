package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	openapi_v3 "github.com/google/gnostic-models/openapiv3"
	"google.golang.org/protobuf/proto"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// Service holds the documents that are served now. It is safe for concurrent
// use. Adding a group version costs its own v3 document and its part of the v2
// document, and both are made when somebody asks.
type Service struct {
	// builtIn and builtInPB are the v2 document that was embedded; they never
	// change.
	builtIn, builtInPB *document
	apart              func() (*builtins, error)

	mu    sync.Mutex
	v3    map[string]*document
	v3pb  map[string]*document
	index *document
	// added is what the v2 document has besides, by the name of its v3 document.
	added    map[string]*addition
	v2, v2pb *document
	// changes counts what was added and removed; changed is told of them.
	changes uint64
	changed chan struct{}

	// merging is held while the v2 document is made; it is taken before mu.
	merging  sync.Mutex
	composed *composition
}

// addition is a source of the v2 document.
type addition struct {
	name   string
	source func() (*spec.Swagger, error)
	// part is what was made of it, nil before somebody asked; merging guards it.
	part *part
}

// New gives a Service with the built-in documents.
func New() (*Service, error) {
	v2, v2pb, v3, err := embedded()
	if err != nil {
		return nil, err
	}
	return &Service{builtIn: v2, builtInPB: v2pb, apart: sync.OnceValues(func() (*builtins, error) { return newBuiltins(v2, v2pb) }),
		v3: v3, v3pb: map[string]*document{}, added: map[string]*addition{}, changed: make(chan struct{}, 1)}, nil
}

// Source is what a document is made of when somebody asks for it.
type Source struct {
	// Seed changes whenever the document does; its hash is the document's ETag.
	Seed string
	V3   func() (*spec3.OpenAPI, error)
	// V2 gives the part of the v2 document; nil leaves it out.
	V2 func() (*spec.Swagger, error)
}

// Put adds or replaces a document below /openapi/v3 and its part of the v2
// document.
func (s *Service) Put(name string, source Source) {
	d := newLazy(source.Seed, func() ([]byte, error) {
		doc, err := source.V3()
		if err != nil {
			return nil, fmt.Errorf("OpenAPI document %s: %w", name, err)
		}
		return doc.MarshalJSON()
	})
	s.put(name, d, source.V2)
}

// PutRaw is Put for a v3 document that is JSON already, as an aggregated API
// server gives it.
func (s *Service) PutRaw(name string, v3 []byte, v2 *spec.Swagger) {
	var part func() (*spec.Swagger, error)
	if v2 != nil {
		part = func() (*spec.Swagger, error) { return v2, nil }
	}
	s.put(name, compress(v3), part)
}

func (s *Service) put(name string, d *document, v2 func() (*spec.Swagger, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.v3[name] = d
	delete(s.v3pb, name)
	s.index = nil
	if v2 == nil {
		delete(s.added, name)
	} else {
		s.added[name] = &addition{name: name, source: v2}
	}
	s.v2, s.v2pb = nil, nil
	s.change()
}

// change notes that documents are others than before. mu is held.
func (s *Service) change() {
	s.changes++
	select {
	case s.changed <- struct{}{}:
	default: // Run has not seen the last one yet
	}
}

// Remove takes a document away.
func (s *Service) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.v3, name)
	delete(s.v3pb, name)
	delete(s.added, name)
	s.index, s.v2, s.v2pb = nil, nil, nil
	s.change()
}

// indexDocument is the list of v3 documents with their addresses.
func (s *Service) indexDocument() (*document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index != nil {
		return s.index, nil
	}
	type entry struct {
		ServerRelativeURL string `json:"serverRelativeURL"`
	}
	paths := make(map[string]entry, len(s.v3))
	for name, d := range s.v3 {
		paths[name] = entry{"/openapi/v3/" + name + "?hash=" + d.etag}
	}
	raw, err := json.Marshal(map[string]any{"paths": paths})
	if err != nil {
		return nil, err
	}
	s.index = compress(raw)
	return s.index, nil
}

func (s *Service) v3Document(name string) (*document, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.v3[name]
	return d, ok
}

func (s *Service) v3Protobuf(name string, d *document) (*document, error) {
	s.mu.Lock()
	pb, ok := s.v3pb[name]
	s.mu.Unlock()
	if ok {
		return pb, nil
	}
	plain, err := d.plain()
	if err != nil {
		return nil, err
	}
	parsed, err := openapi_v3.ParseDocument(plain)
	if err != nil {
		return nil, fmt.Errorf("parse OpenAPI document %s: %w", name, err)
	}
	raw, err := proto.Marshal(parsed)
	if err != nil {
		return nil, err
	}
	pb = compress(raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.v3[name] == d {
		s.v3pb[name] = pb
	}
	return pb, nil
}

// v2Document gives the v2 document with what was added. Many clients cost one
// merge. What makes the parts may use the Service, and changes of the documents
// don't wait for a merge.
func (s *Service) v2Document(protobuf bool) (*document, error) {
	s.merging.Lock()
	defer s.merging.Unlock()
	s.mu.Lock()
	added, changes, d := slices.Collect(maps.Values(s.added)), s.changes, s.v2
	if protobuf {
		d = s.v2pb
	}
	s.mu.Unlock()
	if d != nil {
		return d, nil
	}
	d, err := s.makeV2(added, changes, protobuf)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == changes && protobuf {
		s.v2pb = d
	} else if s.changes == changes {
		s.v2 = d
	}
	return d, nil
}

func (s *Service) makeV2(added []*addition, changes uint64, protobuf bool) (*document, error) {
	switch {
	case len(added) == 0 && protobuf:
		return s.builtInPB, nil
	case len(added) == 0:
		return s.builtIn, nil
	}
	if s.composed == nil || s.composed.changes != changes {
		b, err := s.apart()
		if err != nil {
			return nil, err
		}
		if s.composed, err = compose(b, added); err != nil {
			return nil, err
		}
		s.composed.changes = changes
	}
	c := s.composed
	if !protobuf {
		return newDocument(c.builtins.whole(c.parts)), nil
	}
	whole, err := c.builtins.wholeProtobuf(c.parts)
	if err != nil {
		return nil, err
	}
	return newDocument(whole), nil
}
