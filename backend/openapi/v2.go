package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"google.golang.org/protobuf/proto"
	"k8s.io/kube-openapi/pkg/aggregator"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// The v2 document is one for all groups. With a thousand custom resources it has
// tens of megabytes, so it is made of parts: each group version's is built and
// compressed once, and a change of one costs that one.

// The sections of the v2 document that parts add to.
const (
	paths       = "paths"
	definitions = "definitions"
	parameters  = "parameters"
)

var sections = []string{paths, definitions, parameters}

// members are what a section has, by name.
type members map[string]json.RawMessage

// part is what one source adds to the v2 document.
type part struct {
	// sections begin with a comma each, as there is something before.
	sections map[string]piece
	names    map[string][]string // by section
	// kinds are those that the source's models stand for which the built-in
	// document has, too.
	kinds    map[string][]any
	protobuf func() (piece, error)
}

// resolver makes a part of a source whose names may be taken.
type resolver struct {
	// taken gives what another part has under a name, nil when it is free.
	taken func(section, name string) (json.RawMessage, error)
}

// resolve leaves out what there is already, and finds other names for what there
// is otherwise (Something_v2), as kube-aggregator does.
func (r resolver) resolve(source *spec.Swagger) (*part, error) {
	others := &spec.Swagger{SwaggerProps: spec.SwaggerProps{Paths: &spec.Paths{Paths: map[string]spec.PathItem{}}, Definitions: spec.Definitions{}, Parameters: map[string]spec.Parameter{}}}
	if _, err := r.meet(others, source); err != nil {
		return nil, err
	}
	for {
		merged := copyOf(others)
		if err := aggregator.MergeSpecsIgnorePathConflictRenamingDefinitionsAndParameters(merged, source); err != nil {
			return nil, err
		}
		p := &part{kinds: kindsOf(others, merged)}
		maps.DeleteFunc(merged.Paths.Paths, func(k string, _ spec.PathItem) bool { return has(others.Paths.Paths, k) })
		maps.DeleteFunc(merged.Definitions, func(k string, _ spec.Schema) bool { return has(others.Definitions, k) })
		maps.DeleteFunc(merged.Parameters, func(k string, _ spec.Parameter) bool { return has(others.Parameters, k) })
		again, err := r.meet(others, merged) // a new name may be taken, too
		if err != nil {
			return nil, err
		}
		if !again {
			return p, p.fill(merged)
		}
	}
}

func has[V any](m map[string]V, name string) bool {
	_, ok := m[name]
	return ok
}

// meet adds to others what has a name of the source's, and tells whether there
// was such.
func (r resolver) meet(others, source *spec.Swagger) (met bool, err error) {
	look := func(section, name string, into json.Unmarshaler) bool {
		raw, fault := r.taken(section, name)
		if fault == nil && raw != nil {
			fault = into.UnmarshalJSON(raw)
		}
		if fault != nil && err == nil {
			err = fmt.Errorf("%s of OpenAPI v2: %s: %w", section, name, fault)
		}
		met = met || raw != nil
		return fault == nil && raw != nil
	}
	if source.Paths != nil {
		for name := range source.Paths.Paths {
			if item := (spec.PathItem{}); look(paths, name, &item) {
				others.Paths.Paths[name] = item
			}
		}
	}
	for name := range source.Definitions {
		if model := (spec.Schema{}); look(definitions, name, &model) {
			others.Definitions[name] = model
		}
	}
	for name := range source.Parameters {
		if p := (spec.Parameter{}); look(parameters, name, &p) {
			others.Parameters[name] = p
		}
	}
	return met, err
}

// copyOf gives what a merge may change.
func copyOf(s *spec.Swagger) *spec.Swagger {
	out := &spec.Swagger{SwaggerProps: spec.SwaggerProps{Paths: &spec.Paths{Paths: maps.Clone(s.Paths.Paths)}, Definitions: maps.Clone(s.Definitions), Parameters: maps.Clone(s.Parameters)}}
	for name, model := range out.Definitions {
		if model.Extensions = maps.Clone(model.Extensions); model.Extensions == nil {
			model.Extensions = spec.Extensions{}
		}
		out.Definitions[name] = model
	}
	return out
}

const kindsExtension = "x-kubernetes-group-version-kind"

// kindsOf gives the kinds of models that a merge has given more of them.
func kindsOf(before, after *spec.Swagger) map[string][]any {
	var out map[string][]any
	for name, model := range before.Definitions {
		kinds, _ := after.Definitions[name].Extensions[kindsExtension].([]any)
		if len(kinds) == 0 || reflect.DeepEqual(model.Extensions[kindsExtension], any(kinds)) {
			continue
		}
		if out == nil {
			out = map[string][]any{}
		}
		out[name] = kinds
	}
	return out
}

// fill compresses what the part adds.
func (p *part) fill(own *spec.Swagger) error {
	p.sections, p.names = map[string]piece{}, map[string][]string{}
	all, err := sectionsOf(own)
	if err != nil {
		return err
	}
	for _, section := range sections {
		if m := all[section]; len(m) > 0 {
			p.sections[section] = pieceOf(m.append([]byte{','}))
			p.names[section] = slices.Collect(maps.Keys(m))
		}
	}
	p.protobuf = sync.OnceValues(p.toProtobuf)
	return nil
}

func sectionsOf(s *spec.Swagger) (map[string]members, error) {
	out := map[string]members{paths: {}, definitions: {}, parameters: {}}
	var fault error
	add := func(section, name string, value json.Marshaler) {
		raw, err := value.MarshalJSON()
		if err != nil && fault == nil {
			fault = fmt.Errorf("%s of OpenAPI v2: %s: %w", section, name, err)
		}
		out[section][name] = raw
	}
	for name, item := range s.Paths.Paths {
		add(paths, name, item)
	}
	for name, model := range s.Definitions {
		add(definitions, name, model)
	}
	for name, p := range s.Parameters {
		add(parameters, name, p)
	}
	return out, fault
}

// append writes the members as they stand in an object, in the order of their
// names.
func (m members) append(to []byte) []byte {
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			to = append(to, ',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			panic("BUG: " + err.Error()) // any string can be written
		}
		to = append(append(append(to, key...), ':'), m[name]...)
	}
	return to
}

// read gives the members of a section.
func (p *part) read(section string) (members, error) {
	c, ok := p.sections[section]
	if !ok {
		return nil, nil
	}
	plain, err := c.plain()
	if err != nil {
		return nil, err
	}
	plain[0] = '{' // for the comma
	var m members
	return m, json.Unmarshal(append(plain, '}'), &m)
}

// toProtobuf gives the part as a message of its own: messages one after the
// other are one message with all that they have.
func (p *part) toProtobuf() (piece, error) {
	all := map[string]members{}
	for _, section := range sections {
		var err error
		if all[section], err = p.read(section); err != nil {
			return piece{}, err
		}
	}
	raw, err := protobufOf(all)
	if err != nil {
		return piece{}, err
	}
	return pieceOf(raw), nil
}

// protobufOf gives a message that has sections and nothing else.
func protobufOf(all map[string]members) ([]byte, error) {
	plain := []byte(`{"swagger":"2.0","info":{"title":"","version":""}`)
	for _, section := range sections {
		plain = append(append(append(plain, `,"`...), section...), `":{`...)
		plain = append(all[section].append(plain), '}')
	}
	parsed, err := openapi_v2.ParseDocument(append(plain, '}'))
	if err != nil {
		return nil, fmt.Errorf("parse OpenAPI v2: %w", err)
	}
	parsed.Swagger, parsed.Info = "", nil
	return proto.MarshalOptions{Deterministic: true}.Marshal(parsed)
}

// builtins is the built-in v2 document in pieces, which parts are put between.
type builtins struct {
	document *document
	// around stand before, between and after the sections.
	around   []piece
	sections map[string]piece
	names    map[string]map[string]bool // by section
	// shared are members that sources are sure to have, too.
	shared   map[string]members
	protobuf func() (piece, error)
}

// newBuiltins takes the document apart; protobuf is its other form.
func newBuiltins(d, protobuf *document) (*builtins, error) {
	b := &builtins{document: d, sections: map[string]piece{}, names: map[string]map[string]bool{}, shared: map[string]members{}}
	all, rest, err := b.split()
	if err != nil {
		return nil, err
	}
	open := append(rest.append([]byte{'{'}), ',')
	for _, section := range sections {
		b.around = append(b.around, pieceOf(append(append(append(open, '"'), section...), `":{`...)))
		b.sections[section] = pieceOf(all[section].append(nil))
		b.names[section], b.shared[section] = map[string]bool{}, members{}
		for name, raw := range all[section] {
			b.names[section][name] = true
			if section == parameters || section == definitions && shared(name) {
				b.shared[section][name] = bytes.Clone(raw)
			}
		}
		open = []byte{'}', ','}
	}
	b.around = append(b.around, pieceOf([]byte("}}")))
	b.protobuf = sync.OnceValues(func() (piece, error) {
		plain, err := protobuf.plain()
		if err != nil {
			return piece{}, err
		}
		return pieceOf(plain), nil
	})
	return b, nil
}

// split gives the sections of the document and the rest of it.
func (b *builtins) split() (all map[string]members, rest members, err error) {
	plain, err := b.document.plain()
	if err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(plain, &rest); err != nil {
		return nil, nil, fmt.Errorf("parse OpenAPI v2: %w", err)
	}
	all = map[string]members{}
	for _, section := range sections {
		var m members
		if raw, ok := rest[section]; ok {
			if err := json.Unmarshal(raw, &m); err != nil {
				return nil, nil, fmt.Errorf("parse %s of OpenAPI v2: %w", section, err)
			}
		}
		all[section] = m
		delete(rest, section)
	}
	return all, rest, nil
}

// member gives one member, nil when there is none.
func (b *builtins) member(section, name string) (json.RawMessage, error) {
	if !b.names[section][name] {
		return nil, nil
	}
	if raw, ok := b.shared[section][name]; ok {
		return raw, nil
	}
	all, _, err := b.split()
	return all[section][name], err
}

// withKinds gives a document whose models stand for more kinds.
func (b *builtins) withKinds(kinds map[string][]any) (*builtins, error) {
	if len(kinds) == 0 {
		return b, nil
	}
	all, _, err := b.split()
	if err != nil {
		return nil, err
	}
	changed := members{}
	for name, list := range kinds {
		model := spec.Schema{}
		if err := json.Unmarshal(all[definitions][name], &model); err != nil {
			return nil, fmt.Errorf("parse model %s: %w", name, err)
		}
		model.AddExtension(kindsExtension, list)
		if changed[name], err = model.MarshalJSON(); err != nil {
			return nil, err
		}
		all[definitions][name] = changed[name]
	}
	out := *b
	out.sections = maps.Clone(b.sections)
	out.sections[definitions] = pieceOf(all[definitions].append(nil))
	out.protobuf = sync.OnceValues(func() (piece, error) { return b.protobufWith(changed) })
	return &out, nil
}

// protobufWith gives the document as a message in which some models are others.
func (b *builtins) protobufWith(changed members) (piece, error) {
	old, err := b.protobuf()
	if err != nil {
		return piece{}, err
	}
	plain, err := old.plain()
	if err != nil {
		return piece{}, err
	}
	doc := &openapi_v2.Document{}
	if err := proto.Unmarshal(plain, doc); err != nil {
		return piece{}, fmt.Errorf("parse OpenAPI v2: %w", err)
	}
	doc.Definitions.AdditionalProperties = slices.DeleteFunc(doc.Definitions.AdditionalProperties, func(s *openapi_v2.NamedSchema) bool { return has(changed, s.Name) })
	if plain, err = (proto.MarshalOptions{Deterministic: true}).Marshal(doc); err != nil {
		return piece{}, err
	}
	more, err := protobufOf(map[string]members{definitions: changed})
	if err != nil {
		return piece{}, err
	}
	return pieceOf(append(plain, more...)), nil
}

// whole puts parts into the built-in document.
func (b *builtins) whole(parts []*part) []byte {
	var pieces []piece
	for i, section := range sections {
		pieces = append(pieces, b.around[i], b.sections[section])
		for _, p := range parts {
			if c, ok := p.sections[section]; ok {
				pieces = append(pieces, c)
			}
		}
	}
	return gzipOf(append(pieces, b.around[len(sections)]))
}

// wholeProtobuf is whole in the other form.
func (b *builtins) wholeProtobuf(parts []*part) ([]byte, error) {
	first, err := b.protobuf()
	if err != nil {
		return nil, err
	}
	pieces := []piece{first}
	for _, p := range parts {
		c, err := p.protobuf()
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, c)
	}
	return gzipOf(pieces), nil
}
