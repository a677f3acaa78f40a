package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	openapi_v3 "github.com/google/gnostic-models/openapiv3"
	"google.golang.org/protobuf/proto"
	"k8s.io/klog/v2"
	"k8s.io/kube-openapi/pkg/aggregator"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// Service holds the documents that are served now. It is safe for concurrent
// use. Adding a group version costs its own v3 document; the v2 document and
// protobuf forms are made when somebody asks.
type Service struct {
	mu sync.Mutex
	// base is what was embedded; it never changes.
	baseV2, baseV2PB *document
	v3               map[string]*document
	v3pb             map[string]*document
	index            *document
	// extra are the v2 parts of what was added, by document name.
	extra    map[string]func() (*spec.Swagger, error)
	v2, v2pb *document
	// changes counts what was added and removed.
	changes uint64
	// merging is held while the v2 document is made; it is taken before mu.
	merging sync.Mutex
}

// New gives a Service with the built-in documents.
func New() (*Service, error) {
	v2, v2pb, v3, err := embedded()
	if err != nil {
		return nil, err
	}
	return &Service{baseV2: v2, baseV2PB: v2pb, v2: v2, v2pb: v2pb, v3: v3, v3pb: map[string]*document{}, extra: map[string]func() (*spec.Swagger, error){}}, nil
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
		return json.Marshal(doc)
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
		delete(s.extra, name)
	} else {
		s.extra[name] = v2
	}
	s.v2, s.v2pb = nil, nil
	s.changes++
}

// Remove takes a document away.
func (s *Service) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.v3, name)
	delete(s.v3pb, name)
	delete(s.extra, name)
	s.index, s.v2, s.v2pb = nil, nil, nil
	s.changes++
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

// v2Document merges what was added into the built-in v2 document. Many clients
// cost one merge. What makes the parts may use the Service, and changes of the
// documents don't wait for a merge.
func (s *Service) v2Document(protobuf bool) (*document, error) {
	s.merging.Lock()
	defer s.merging.Unlock()
	s.mu.Lock()
	extra, changes, v2, v2pb := maps.Clone(s.extra), s.changes, s.v2, s.v2pb
	s.mu.Unlock()
	if len(extra) == 0 {
		v2, v2pb = s.baseV2, s.baseV2PB
	}
	if v2 == nil {
		merged, err := s.merge(extra)
		if err != nil {
			return nil, err
		}
		v2 = compress(merged)
	}
	if protobuf && v2pb == nil {
		var err error
		if v2pb, err = v2Protobuf(v2); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	if s.changes == changes {
		s.v2, s.v2pb = v2, v2pb
	}
	s.mu.Unlock()
	if protobuf {
		return v2pb, nil
	}
	return v2, nil
}

func v2Protobuf(v2 *document) (*document, error) {
	plain, err := v2.plain()
	if err != nil {
		return nil, err
	}
	parsed, err := openapi_v2.ParseDocument(plain)
	if err != nil {
		return nil, fmt.Errorf("parse OpenAPI v2: %w", err)
	}
	raw, err := proto.Marshal(parsed)
	if err != nil {
		return nil, err
	}
	return compress(raw), nil
}

func (s *Service) merge(extra map[string]func() (*spec.Swagger, error)) ([]byte, error) {
	plain, err := s.baseV2.plain()
	if err != nil {
		return nil, err
	}
	base := &spec.Swagger{}
	if err := json.Unmarshal(plain, base); err != nil {
		return nil, fmt.Errorf("parse OpenAPI v2: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		part, err := extra[name]()
		if err == nil {
			err = aggregator.MergeSpecsIgnorePathConflictRenamingDefinitionsAndParameters(base, part)
		}
		if err != nil { // one bad part, perhaps another server's, takes nothing from the rest
			klog.ErrorS(err, "Part of OpenAPI v2 left out", "part", name)
		}
	}
	return json.Marshal(base)
}
