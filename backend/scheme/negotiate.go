package scheme

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Media types that objects are read and written in.
const (
	MediaJSON     = "application/json"
	MediaYAML     = "application/yaml"
	MediaProtobuf = "application/vnd.kubernetes.protobuf"
)

// MediaType is the form in which a client gets its answer.
type MediaType struct {
	// Type is one of MediaJSON, MediaYAML and MediaProtobuf.
	Type string
	// Pretty is the pretty=1 of the Accept header; the query parameter of the
	// same name is not this package's.
	Pretty bool
	// As is the kind that the object is to be turned into: Table,
	// PartialObjectMetadata or PartialObjectMetadataList of meta.k8s.io; empty
	// for the object as it is.
	As schema.GroupVersionKind
	// Stream tells that the client named the parameter stream=watch.
	Stream bool
}

// Offer says what an endpoint can answer with.
type Offer struct {
	// Routed is set for built-in resources, whose Accept header Kubernetes
	// matches twice: the first matching knows no application/* and compares
	// letter by letter.
	Routed bool
	// NoProtobuf is set for custom resources: protobuf only for what is turned
	// into metadata.
	NoProtobuf bool
	// Table and Metadata tell whether As may be a table and metadata only.
	Table, Metadata bool
	// Watch adds the stream=watch forms, as lists and watches have them.
	Watch bool
	// Discovery offers aggregated discovery documents and nothing else.
	Discovery bool
}

// mediaTypes are those that an error names, for custom resources too, which have no
// protobuf form.
var mediaTypes = []string{MediaJSON, MediaYAML, MediaProtobuf}

// watchTypes are those of lists, which may be watches.
var watchTypes = append(slices.Clone(mediaTypes), MediaJSON+";stream=watch", MediaProtobuf+";stream=watch")

func (o Offer) produced() []string {
	if o.Watch {
		return watchTypes
	}
	return mediaTypes
}

// Negotiate chooses the form of an answer from an Accept header as Kubernetes
// does: clauses by falling q, the first one that can be served wins. A header
// that asks for nothing we have gives a 406 NotAcceptable Status.
func Negotiate(accept string, o Offer) (MediaType, error) {
	if accept == "" {
		return MediaType{Type: MediaJSON}, nil
	}
	if o.Routed && !routeAccepts(accept, o) {
		return MediaType{}, routeNotAcceptable(o.produced())
	}
	for _, c := range parseAccept(accept) {
		for _, t := range []string{MediaJSON, MediaYAML, MediaProtobuf} {
			if !c.matches(t) {
				continue
			}
			if m, ok := o.serve(t, c); ok {
				return m, nil
			}
		}
	}
	return MediaType{}, notAcceptable(mediaTypes)
}

// serve tells whether a clause with these parameters can be answered in a media
// type.
func (o Offer) serve(mediaType string, c clause) (MediaType, bool) {
	m := MediaType{Type: mediaType}
	converted := false
	for _, p := range c.params {
		switch p.key {
		case "as":
			m.As.Kind, converted = p.value, true
		case "g":
			m.As.Group, converted = p.value, true
		case "v":
			m.As.Version, converted = p.value, true
		case "stream":
			if p.value != "" && (p.value != "watch" || mediaType == MediaYAML) {
				return m, false
			}
			m.Stream = p.value != ""
		case "pretty":
			m.Pretty = p.value == "1"
		}
	}
	if o.Discovery {
		return m, isDiscovery(m.As)
	}
	if !converted {
		return m, mediaType != MediaProtobuf || !o.NoProtobuf
	}
	gv := m.As.GroupVersion()
	if gv != metav1.SchemeGroupVersion && (gv.Group != metav1.GroupName || gv.Version != "v1beta1") {
		return m, false
	}
	switch m.As.Kind {
	case "Table":
		return m, o.Table && mediaType != MediaProtobuf
	case "PartialObjectMetadata", "PartialObjectMetadataList":
		return m, o.Metadata
	}
	return m, false
}

// isDiscovery tells the kind of aggregated discovery. Its version v2beta1 is gone
// since Kubernetes 1.35.
func isDiscovery(gvk schema.GroupVersionKind) bool {
	return gvk.Group == "apidiscovery.k8s.io" && gvk.Kind == "APIGroupDiscoveryList" && gvk.Version == "v2"
}

// NegotiateBody gives the media type of a body from its Content-Type: JSON when
// it names none, a 415 Status when it names one that cannot be read.
func NegotiateBody(contentType string, o Offer) (string, error) {
	if contentType == "" {
		return MediaJSON, nil
	}
	t, parameters, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	if parameters != "" {
		if _, _, err := mime.ParseMediaType(contentType); err != nil {
			t = ""
		}
	}
	if slices.Contains(mediaTypes, t) && (t != MediaProtobuf || !o.NoProtobuf) {
		return t, nil
	}
	return "", &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusUnsupportedMediaType,
		Reason:  metav1.StatusReasonUnsupportedMediaType,
		Message: "the body of the request was in an unknown format - accepted media types include: " + strings.Join(mediaTypes, ", "),
	}}
}

func notAcceptable(types []string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusNotAcceptable,
		Reason:  metav1.StatusReasonNotAcceptable,
		Message: "only the following media types are accepted: " + strings.Join(types, ", "),
	}}
}

func routeNotAcceptable(produced []string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusNotAcceptable,
		Reason:  metav1.StatusReasonNotAcceptable,
		Message: "406: Not Acceptable\n\nAvailable representations: " + strings.Join(produced, ", "),
		Details: &metav1.StatusDetails{},
	}}
}

// routeAccepts is the first matching, done where Kubernetes routes.
func routeAccepts(accept string, o Offer) bool { return accepts(accept, o.produced()) }

// OnlyGet is Kubernetes' router before a document that is read only and comes in
// one media type: it gives a 405 Status for every other method, HEAD too, and a
// 406 to a client that takes neither that type nor any.
func OnlyGet(method, accept, produced string) error {
	switch {
	case method != http.MethodGet:
		return apierrors.NewGenericServerResponse(http.StatusMethodNotAllowed, "", schema.GroupResource{}, "", "", 0, false)
	case accept != "" && !accepts(accept, []string{produced}):
		return routeNotAcceptable([]string{produced})
	}
	return nil
}

func accepts(accept string, produced []string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		t, _, _ := strings.Cut(part, ";")
		t = strings.TrimSpace(t)
		if t == "*/*" {
			return true
		}
		for _, p := range produced {
			if t == p {
				return true
			}
		}
	}
	return false
}

type clause struct {
	typ, subtype string
	q            float64
	params       []param
}

type param struct{ key, value string }

func (c clause) matches(mediaType string) bool {
	if c.typ == "*" && c.subtype == "*" {
		return true
	}
	typ, subtype, _ := strings.Cut(mediaType, "/")
	return c.typ == typ && (c.subtype == subtype || c.subtype == "*")
}

// before tells whether c is preferred to d: by q, then the more exact range.
func (c clause) before(d clause) bool {
	switch {
	case c.q != d.q:
		return c.q > d.q
	case (c.typ == "*") != (d.typ == "*"):
		return d.typ == "*"
	}
	return c.subtype != "*" && d.subtype == "*"
}

// maxClauses bounds what one header makes the server do.
const maxClauses = 64

// parseAccept gives the clauses of an Accept header, the preferred ones first;
// equals stay in their order, what is no media range is left out.
func parseAccept(accept string) []clause {
	var out []clause
	for part := range strings.SplitSeq(accept, ",") {
		if len(out) == maxClauses {
			break
		}
		fields := strings.Split(part, ";")
		typ, subtype, ok := strings.Cut(fields[0], "/")
		c := clause{typ: strings.TrimSpace(typ), subtype: strings.TrimSpace(subtype), q: 1}
		switch {
		case !ok && c.typ == "*":
			c.subtype = "*"
		case !ok, strings.Contains(subtype, "/"):
			continue
		}
		for _, f := range fields[1:] {
			key, value, _ := strings.Cut(f, "=")
			if value == "" || strings.Contains(value, "=") {
				continue
			}
			if key = strings.TrimSpace(key); key == "q" {
				c.q, _ = strconv.ParseFloat(value, 32)
				continue
			}
			c.params = append(c.params, param{key, strings.TrimSpace(value)})
		}
		// Insertion keeps the order of equals.
		i := len(out)
		for i > 0 && c.before(out[i-1]) {
			i--
		}
		out = append(out, clause{})
		copy(out[i+1:], out[i:])
		out[i] = c
	}
	return out
}
