package endpoints

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
)

// list answers lists and watches, which differ by a parameter, by the verb of
// the old paths below /watch/, or not at all in what they select.
func (c *call) list(ctx context.Context) (*request.Response, error) {
	o, err := listOptions(c.r)
	if err != nil {
		return nil, err
	}
	if err := c.selectFields(o); err != nil {
		return nil, err
	}
	if o.Watch || c.r.Info.LegacyWatch {
		return c.watch(ctx, o)
	}
	if virtual := c.e.Resource.Virtual; virtual != nil {
		return c.listVirtual(ctx, o)
	}
	if c.wantsPast() {
		return c.past(ctx)
	}
	l, err := c.e.Store.List(ctx, c.storeListOptions(o))
	if err != nil {
		return nil, err
	}
	return c.answerList(l)
}

func (c *call) storeListOptions(o *internalversion.ListOptions) registry.ListOptions {
	return registry.ListOptions{
		Namespace:            c.namespace(),
		Labels:               o.LabelSelector,
		Fields:               o.FieldSelector,
		Limit:                o.Limit,
		Continue:             o.Continue,
		ResourceVersion:      o.ResourceVersion,
		ResourceVersionMatch: o.ResourceVersionMatch,
	}
}

// namespace is the namespace of the request's objects: the one in the path,
// none for what is cluster-scoped, Namespaces too.
func (c *call) namespace() string {
	if !c.e.Resource.Namespaced {
		return ""
	}
	return c.r.Info.Namespace
}

// selectFields checks the field selector and adds the name that the path
// selects.
func (c *call) selectFields(o *internalversion.ListOptions) error {
	if o.FieldSelector != nil {
		for _, q := range o.FieldSelector.Requirements() {
			if err := c.selectable(q.Field); err != nil {
				return err
			}
		}
	}
	name := c.r.Info.Name
	if name == "" {
		return nil
	}
	if o.FieldSelector == nil || o.FieldSelector.Empty() {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", name)
		return nil
	}
	if selected, ok := o.FieldSelector.RequiresExactMatch("metadata.name"); !ok || selected != name {
		return apierrors.NewBadRequest("fieldSelector metadata.name doesn't match requested name")
	}
	return nil
}

// selectable tells whether a field can be selected by. Kinds with fields of
// their own complain in other words than those with a name alone, and know a
// namespace only when they have one.
func (c *call) selectable(field string) error {
	res := c.e.Resource
	own := len(res.Fields) > 0 || res.Dynamic || res.UnknownField != nil
	if field == "metadata.name" || field == "metadata.namespace" && (res.Namespaced || !own) {
		return nil
	}
	for i := range res.Fields {
		if res.Fields[i].Name == field && !res.Fields[i].Hidden {
			return nil
		}
	}
	switch {
	case res.UnknownField != nil:
		return apierrors.NewBadRequest(res.UnknownField(field))
	case own:
		return apierrors.NewBadRequest("field label not supported: " + field)
	}
	return apierrors.NewBadRequest(fmt.Sprintf("%q is not a known field selector: only %q, %q", field, "metadata.name", "metadata.namespace"))
}

// answerList gives a list in the form that the client asked for. JSON is
// written from the stored bytes; nothing is decoded or copied.
func (c *call) answerList(l *registry.List) (*request.Response, error) {
	switch c.form.As.Kind {
	case "Table":
		return c.table(http.StatusOK, l)
	case "PartialObjectMetadataList":
		return c.metadataList(l)
	case "PartialObjectMetadata":
		return nil, notAcceptable(fmt.Sprintf("you requested PartialObjectMetadata, but the requested object is a list (%s)", c.v.goType(true)))
	}
	if c.form.Type == scheme.MediaProtobuf {
		return c.protobufList(c.v.apiVersion, c.e.Resource.ListKind, l, c.protobuf)
	}
	head := append(listHead(c.v.listHead, l, !c.v.typed), `,"items":[`...)
	cut := ""
	if c.v.typed {
		cut = c.v.itemHead
	}
	if c.v.hub {
		return c.stream(newJSONList(head, l.Items, nil, cut))
	}
	bodies, err := each(l.Items, c.json)
	if err != nil {
		return nil, err
	}
	return c.stream(newJSONList(head, nil, bodies, cut))
}

// stream answers with a stream of JSON; other forms of it need it whole.
func (c *call) stream(s request.Stream) (*request.Response, error) {
	if c.form.Type == scheme.MediaJSON && !c.pretty() {
		return &request.Response{Status: http.StatusOK, ContentType: scheme.MediaJSON, Stream: s}, nil
	}
	body, err := whole(s)
	if err != nil {
		return nil, err
	}
	return c.fromJSON(http.StatusOK, body)
}

func (c *call) protobufList(apiVersion, kind string, l *registry.List, item func(*watchcache.Object) ([]byte, error)) (*request.Response, error) {
	items, err := each(l.Items, item)
	if err != nil {
		return nil, err
	}
	s, err := newProtobufList(apiVersion, kind, l, items)
	if err != nil {
		return nil, err
	}
	return &request.Response{Status: http.StatusOK, ContentType: scheme.MediaProtobuf, Stream: s}, nil
}

// metadataList answers with the items' metadata alone. Without items Kubernetes
// gives null.
func (c *call) metadataList(l *registry.List) (*request.Response, error) {
	apiVersion := c.form.As.GroupVersion().String()
	if c.form.Type == scheme.MediaProtobuf {
		return c.protobufList(apiVersion, "PartialObjectMetadataList", l, c.metadataProtobuf)
	}
	start := `{"kind":"PartialObjectMetadataList","apiVersion":"` + apiVersion + `","metadata":{`
	head := listHead(start, l, false)
	if len(l.Items) == 0 {
		return c.fromJSON(http.StatusOK, append(head, `,"items":null}`...))
	}
	items, err := each(l.Items, c.metadataJSON)
	if err != nil {
		return nil, err
	}
	return c.stream(newMetadataList(append(head, `,"items":[`...), items, partialHead(c.form.As.Version)))
}

// each gives f of all items.
func each(items []*watchcache.Object, f func(*watchcache.Object) ([]byte, error)) ([][]byte, error) {
	out := make([][]byte, len(items))
	for i, o := range items {
		b, err := f(o)
		if err != nil {
			return nil, err
		}
		out[i] = b
	}
	return out, nil
}

// metadataList is a PartialObjectMetadataList made of parts of stored bytes.
type metadataList struct {
	head     []byte
	items    [][]byte
	itemHead string
	len      int64
}

func newMetadataList(head []byte, items [][]byte, itemHead string) *metadataList {
	n := len(head) + len(listTail) + len(items)*(len(itemHead)+len("}")) + max(0, len(items)-1)
	for _, item := range items {
		n += len(item)
	}
	return &metadataList{head: head, items: items, itemHead: itemHead, len: int64(n)}
}

// Len implements request.Stream.
func (l *metadataList) Len() int64 { return l.len }

// WriteTo implements request.Stream.
func (l *metadataList) WriteTo(w request.Writer) error {
	if _, err := w.Write(l.head); err != nil {
		return err
	}
	open, next := l.itemHead, "},"+l.itemHead
	for _, item := range l.items {
		if _, err := w.WriteString(open); err != nil {
			return err
		}
		if _, err := w.Write(item); err != nil {
			return err
		}
		open = next
	}
	if len(l.items) > 0 {
		if _, err := w.WriteString("}"); err != nil {
			return err
		}
	}
	_, err := w.WriteString(listTail)
	return err
}

func revision(n int64) string { return strconv.FormatInt(n, 10) }

func uidOf(o *watchcache.Object) types.UID { return types.UID(o.UID) }
