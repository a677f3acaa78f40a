package endpoints

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// object answers with one stored object in the form that the client asked for.
// As JSON in the storage version that is the stored bytes themselves.
func (c *call) object(status int, o *watchcache.Object) (*request.Response, error) {
	switch c.form.As.Kind {
	case "Table":
		return c.table(status, listOf(o))
	case "PartialObjectMetadata":
		return c.metadata(status, o)
	case "PartialObjectMetadataList":
		return nil, notAcceptable(fmt.Sprintf("you requested PartialObjectMetadataList, but the requested object is not a list (%s)", c.v.goType(false)))
	}
	if c.form.Type == scheme.MediaProtobuf {
		body, err := c.protobuf(o)
		if err != nil {
			return nil, err
		}
		return c.body(status, envelope(c.v.apiVersion, c.v.gvk.Kind, body)), nil
	}
	body, err := c.json(o)
	if err != nil {
		return nil, err
	}
	return c.fromJSON(status, body)
}

// json gives an object's JSON in the version of the request: shared bytes.
func (c *call) json(o *watchcache.Object) ([]byte, error) {
	if c.v.hub {
		return o.Raw, nil
	}
	return o.Variant(c.v.variant, func() ([]byte, error) {
		obj, err := c.decode(o)
		if err != nil {
			return nil, err
		}
		obj.GetObjectKind().SetGroupVersionKind(c.v.gvk)
		if u, ok := obj.(json.Marshaler); ok {
			return u.MarshalJSON()
		}
		return json.Marshal(obj)
	})
}

// decode gives a copy of a stored object in the version of the request.
func (c *call) decode(o *watchcache.Object) (scheme.Object, error) {
	obj, err := c.e.Store.Decode(o)
	if err != nil {
		return nil, err
	}
	return c.fromHub(obj)
}

func (c *call) fromHub(obj scheme.Object) (scheme.Object, error) {
	if c.e.Version.FromHub == nil {
		return obj, nil
	}
	return c.e.Version.FromHub(obj)
}

func (c *call) toHub(obj scheme.Object) (scheme.Object, error) {
	if c.e.Version.ToHub == nil {
		return obj, nil
	}
	return c.e.Version.ToHub(obj)
}

// fromJSON answers with JSON bytes, turned into what the client asked for.
func (c *call) fromJSON(status int, body []byte) (*request.Response, error) {
	switch {
	case c.form.Type == scheme.MediaYAML:
		y, err := yaml.JSONToYAML(body)
		if err != nil {
			return nil, apierrors.NewInternalError(fmt.Errorf("json to yaml: %w", err))
		}
		return c.body(status, y), nil
	case c.pretty():
		var b bytes.Buffer
		if err := json.Indent(&b, body, "", "  "); err != nil {
			return nil, apierrors.NewInternalError(fmt.Errorf("indent json: %w", err))
		}
		return c.body(status, b.Bytes()), nil
	}
	return c.body(status, body), nil
}

func (c *call) body(status int, body []byte) *request.Response {
	return &request.Response{Status: status, ContentType: c.form.Type, Body: body}
}

// runtimeObject answers with an object that is not a stored one: a Scale, a
// review, a Status.
func (c *call) runtimeObject(status int, obj runtime.Object) (*request.Response, error) {
	if s, ok := obj.(*metav1.Status); ok {
		s.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
		return c.encoded(status, s)
	}
	switch c.form.As.Kind {
	case "Table":
		return c.tableOfObjects(status, []runtime.Object{obj}, listMetaOf(obj))
	case "PartialObjectMetadata":
		m, err := meta.Accessor(obj)
		if err != nil {
			return nil, apierrors.NewInternalError(err)
		}
		partial := meta.AsPartialObjectMetadata(m)
		partial.TypeMeta = metav1.TypeMeta{APIVersion: c.form.As.GroupVersion().String(), Kind: "PartialObjectMetadata"}
		return c.encoded(status, partial)
	case "PartialObjectMetadataList":
		return nil, notAcceptable(fmt.Sprintf("you requested PartialObjectMetadataList, but the requested object is not a list (%T)", obj))
	}
	return c.encoded(status, obj)
}

func (c *call) encoded(status int, obj runtime.Object) (*request.Response, error) {
	body, err := scheme.EncodeAs(obj, c.form.Type, c.pretty())
	if err != nil {
		return nil, err
	}
	return c.body(status, body), nil
}

// metadata answers with an object's metadata alone.
func (c *call) metadata(status int, o *watchcache.Object) (*request.Response, error) {
	if c.form.Type == scheme.MediaProtobuf {
		body, err := c.metadataProtobuf(o)
		if err != nil {
			return nil, err
		}
		return c.body(status, envelope(c.form.As.GroupVersion().String(), "PartialObjectMetadata", body)), nil
	}
	m, err := c.metadataJSON(o)
	if err != nil {
		return nil, err
	}
	head := partialHead(c.form.As.Version)
	body := make([]byte, 0, len(head)+len(m)+1)
	body = append(append(append(body, head...), m...), '}')
	return c.fromJSON(status, body)
}

// metadataJSON gives the bytes of an object's metadata: a part of its JSON.
func (c *call) metadataJSON(o *watchcache.Object) ([]byte, error) {
	raw, err := c.json(o)
	if err != nil {
		return nil, err
	}
	start, end, ok := topLevel(raw, "metadata")
	if !ok {
		return nil, apierrors.NewInternalError(fmt.Errorf("%s %s has no metadata", c.v.gvk.Kind, o.Key))
	}
	return raw[start:end], nil
}

// partialHead is how a PartialObjectMetadata of a version starts, up to the
// value of metadata.
func partialHead(version string) string {
	if version == "v1" {
		return `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":`
	}
	return `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/` + version + `","metadata":`
}

// goType is what Kubernetes' messages call the Go type of the resource's
// objects or lists.
func (v *view) goType(list bool) string {
	if !v.typed {
		if list {
			return "*unstructured.UnstructuredList"
		}
		return "*unstructured.Unstructured"
	}
	group, _, _ := strings.Cut(v.gvk.Group, ".")
	if group == "" || group == "events" {
		group = "core"
	}
	if list {
		return "*" + group + "." + v.entry.Resource.ListKind
	}
	return "*" + group + "." + v.gvk.Kind
}

// deleted is the answer to a delete that left nothing behind.
func (c *call) deleted(o *watchcache.Object) (*request.Response, error) {
	return c.runtimeObject(http.StatusOK, &metav1.Status{
		Status: metav1.StatusSuccess,
		Details: &metav1.StatusDetails{
			Name:  o.Name,
			Group: c.v.gvr.Group,
			Kind:  c.v.gvr.Resource,
			UID:   uidOf(o),
		},
	})
}
