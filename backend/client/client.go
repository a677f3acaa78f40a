// Package client is how code in this process uses the API: as a user, through
// the same filters, authorization, admission and audit as a request from the
// network, without a connection. Read client.go first, then watch.go.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Client makes requests as one user. It is safe for concurrent use.
type Client struct {
	handler request.Handler
	user    *request.User
	agent   string
	remote  string
	header  http.Header
}

// New gives a Client. handler is the server's whole filter chain; agent names
// the caller as a User-Agent header would, and so in managedFields.
func New(handler request.Handler, user *request.User, agent string) *Client {
	return &Client{handler: handler, user: user, agent: agent, remote: "in-process"}
}

// As gives a Client of another user.
func (c *Client) As(user *request.User, agent string) *Client {
	return &Client{handler: c.handler, user: user, agent: agent, remote: c.remote}
}

// From gives a Client whose requests say that they come from an address: that
// of whoever the requests are made for.
func (c *Client) From(remote string) *Client {
	d := *c
	d.remote = remote
	return &d
}

// With gives a Client that sends further headers with every request
// (Impersonate-User).
func (c *Client) With(header http.Header) *Client {
	d := *c
	d.header = header
	return &d
}

// Header is what With has set.
func (c *Client) Header() http.Header { return c.header }

// User is who the client acts as.
func (c *Client) User() *request.User { return c.user }

// Call is one request.
type Call struct {
	Method string
	Path   string
	Query  url.Values
	// ContentType and Accept default to JSON.
	ContentType, Accept string
	// Header holds further headers (Impersonate-User).
	Header http.Header
	Body   []byte
}

// Send makes a request and gives the response as an endpoint made it: its body
// may be a Stream, Chunked or Hijack. An error is a Status error.
func (c *Client) Send(ctx context.Context, call Call) (*request.Response, error) {
	h := header{}
	for _, more := range []http.Header{call.Header, c.header} {
		for name, values := range more {
			h[http.CanonicalHeaderKey(name)] = values
		}
	}
	h.set("User-Agent", c.agent)
	if call.Accept != "" || h.Get("Accept") == "" {
		h.set("Accept", orJSON(call.Accept))
	}
	if call.Body != nil {
		h.set("Content-Type", orJSON(call.ContentType))
	}
	r := &request.Request{
		ID: uuid.NewString(), Method: call.Method, Path: call.Path, RawPath: call.Path, RawQuery: call.Query.Encode(),
		Header: h, Body: call.Body, RemoteAddr: c.remote, Received: time.Now(), User: c.user,
	}
	resp, err := c.handler(ctx, r)
	return resp, refused(err, r.ID)
}

func orJSON(mediaType string) string {
	if mediaType == "" {
		return "application/json"
	}
	return mediaType
}

// Bytes makes a request and gives its whole body.
func (c *Client) Bytes(ctx context.Context, call Call) ([]byte, error) {
	resp, err := c.Send(ctx, call)
	if err != nil {
		return nil, err
	}
	body, err := bodyOf(ctx, resp)
	if err != nil {
		return nil, err
	}
	if resp.Status >= 400 {
		return nil, refused(statusError(resp.Status, body, call), auditIDOf(resp))
	}
	return body, nil
}

// Exchange makes a request and gives the response with its whole body in Body,
// also when it is a refusal, which Bytes turns into an error.
func (c *Client) Exchange(ctx context.Context, call Call) (*request.Response, error) {
	resp, err := c.Send(ctx, call)
	if err != nil {
		return nil, err
	}
	body, err := bodyOf(ctx, resp)
	if err != nil {
		return nil, err
	}
	whole := *resp
	whole.Body, whole.Stream, whole.Chunked = body, nil, nil
	if whole.Status == 0 {
		whole.Status = http.StatusOK
	}
	return &whole, nil
}

// Error gives the Status error that an answer is, nil for one that is none.
func Error(call Call, resp *request.Response) error {
	if resp.Status < 400 {
		return nil
	}
	return refused(statusError(resp.Status, resp.Body, call), auditIDOf(resp))
}

// Refusal gives the Status error of a response that is one, whose body it reads then.
func Refusal(ctx context.Context, call Call, resp *request.Response) error {
	if resp.Status < 400 {
		return nil
	}
	body, err := bodyOf(ctx, resp)
	if err != nil {
		return err
	}
	return refused(statusError(resp.Status, body, call), auditIDOf(resp))
}

func bodyOf(ctx context.Context, resp *request.Response) ([]byte, error) {
	var buf gather
	switch {
	case resp.Stream != nil:
		buf.Grow(int(resp.Stream.Len()))
		return finish(&buf, resp.Stream.WriteTo(&buf))
	case resp.Chunked != nil:
		return finish(&buf, resp.Chunked(ctx, &buf))
	case resp.Switches():
		return nil, fmt.Errorf("the answer is a stream that only a connection can carry")
	}
	return resp.Body, nil
}

func finish(buf *gather, err error) ([]byte, error) {
	return buf.Bytes(), err
}

// gather takes a body in memory.
type gather struct{ bytes.Buffer }

// Flush does nothing.
func (*gather) Flush() error { return nil }

func statusError(code int, body []byte, call Call) error {
	status := &metav1.Status{}
	if json.Unmarshal(body, status) == nil && status.Kind == "Status" {
		return &apierrors.StatusError{ErrStatus: *status}
	}
	return apierrors.NewGenericServerResponse(code, call.Method, schema.GroupResource{}, "", string(body), 0, true)
}

// Get reads an object into a pointer to its Go type or to Unstructured.
func (c *Client) Get(ctx context.Context, gvr schema.GroupVersionResource, namespace, name string, into runtime.Object) error {
	return c.decode(ctx, Call{Method: "GET", Path: Path(gvr, namespace, name, "")}, into)
}

// List reads a list into a pointer to its Go type.
func (c *Client) List(ctx context.Context, gvr schema.GroupVersionResource, namespace string, options metav1.ListOptions, into runtime.Object) error {
	return c.decode(ctx, Call{Method: "GET", Path: Path(gvr, namespace, "", ""), Query: listQuery(options)}, into)
}

// Create writes a new object and reads the result into it.
func (c *Client) Create(ctx context.Context, gvr schema.GroupVersionResource, namespace string, obj runtime.Object) error {
	return c.send(ctx, "POST", gvr, Path(gvr, namespace, "", ""), obj)
}

// Update writes an object and reads the result into it.
func (c *Client) Update(ctx context.Context, gvr schema.GroupVersionResource, obj scheme.Object) error {
	return c.send(ctx, "PUT", gvr, Path(gvr, obj.GetNamespace(), obj.GetName(), ""), obj)
}

// UpdateSubresource writes an object through a subresource, such as status.
func (c *Client) UpdateSubresource(ctx context.Context, gvr schema.GroupVersionResource, subresource string, obj scheme.Object) error {
	return c.send(ctx, "PUT", gvr, Path(gvr, obj.GetNamespace(), obj.GetName(), subresource), obj)
}

// Patch changes an object and reads the result into a pointer, which may be nil.
func (c *Client) Patch(ctx context.Context, gvr schema.GroupVersionResource, namespace, name, subresource string, kind types.PatchType, patch []byte, into runtime.Object) error {
	return c.decode(ctx, Call{Method: "PATCH", Path: Path(gvr, namespace, name, subresource), ContentType: string(kind), Body: patch}, into)
}

// Delete removes an object.
func (c *Client) Delete(ctx context.Context, gvr schema.GroupVersionResource, namespace, name string, options *metav1.DeleteOptions) error {
	return c.delete(ctx, Call{Method: "DELETE", Path: Path(gvr, namespace, name, "")}, options)
}

// DeleteCollection removes the objects that the list options select.
func (c *Client) DeleteCollection(ctx context.Context, gvr schema.GroupVersionResource, namespace string, options *metav1.DeleteOptions, list metav1.ListOptions) error {
	return c.delete(ctx, Call{Method: "DELETE", Path: Path(gvr, namespace, "", ""), Query: listQuery(list)}, options)
}

func (c *Client) delete(ctx context.Context, call Call, options *metav1.DeleteOptions) error {
	if options != nil {
		body := *options
		body.Kind, body.APIVersion = "DeleteOptions", "v1"
		raw, err := json.Marshal(&body)
		if err != nil {
			return err
		}
		call.Body = raw
	}
	_, err := c.Bytes(ctx, call)
	return err
}

func (c *Client) send(ctx context.Context, method string, gvr schema.GroupVersionResource, path string, obj runtime.Object) error {
	raw, err := encode(gvr, obj)
	if err != nil {
		return err
	}
	return c.decode(ctx, Call{Method: method, Path: path, Body: raw}, obj)
}

// encode gives an object's JSON with its kind, which typed objects often lack.
func encode(gvr schema.GroupVersionResource, obj runtime.Object) ([]byte, error) {
	kind := obj.GetObjectKind()
	if kind.GroupVersionKind().Kind == "" {
		kind.SetGroupVersionKind(gvr.GroupVersion().WithKind(scheme.KindOf(obj).Kind))
	}
	raw, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", gvr.Resource, err)
	}
	return raw, nil
}

func (c *Client) decode(ctx context.Context, call Call, into runtime.Object) error {
	body, err := c.Bytes(ctx, call)
	if err != nil || into == nil {
		return err
	}
	if u, ok := into.(*unstructured.Unstructured); ok {
		return u.UnmarshalJSON(body)
	}
	// What the answer leaves out must not stay from before.
	v := reflect.ValueOf(into).Elem()
	v.SetZero()
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("decode answer of %s %s: %w", call.Method, call.Path, err)
	}
	return nil
}

// Path is the address of a collection, of an object or of a subresource.
func Path(gvr schema.GroupVersionResource, namespace, name, subresource string) string {
	var b strings.Builder
	if gvr.Group == "" {
		b.WriteString("/api/" + gvr.Version)
	} else {
		b.WriteString("/apis/" + gvr.Group + "/" + gvr.Version)
	}
	if namespace != "" {
		b.WriteString("/namespaces/" + namespace)
	}
	b.WriteString("/" + gvr.Resource)
	for _, part := range []string{name, subresource} {
		if part != "" {
			b.WriteString("/" + part)
		}
	}
	return b.String()
}

func listQuery(o metav1.ListOptions) url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("labelSelector", o.LabelSelector)
	set("fieldSelector", o.FieldSelector)
	set("resourceVersion", o.ResourceVersion)
	set("resourceVersionMatch", string(o.ResourceVersionMatch))
	set("continue", o.Continue)
	if o.Limit > 0 {
		q.Set("limit", strconv.FormatInt(o.Limit, 10))
	}
	if o.Watch {
		q.Set("watch", "true")
	}
	if o.AllowWatchBookmarks {
		q.Set("allowWatchBookmarks", "true")
	}
	if o.SendInitialEvents != nil {
		q.Set("sendInitialEvents", strconv.FormatBool(*o.SendInitialEvents))
	}
	if o.TimeoutSeconds != nil {
		q.Set("timeoutSeconds", strconv.FormatInt(*o.TimeoutSeconds, 10))
	}
	return q
}

// header is the headers of a request that this process makes.
type header map[string][]string

func (h header) set(name, value string) {
	if value != "" && h[name] == nil {
		h[name] = []string{value}
	}
}

// Get gives the first value of a header.
func (h header) Get(name string) string {
	if v := h[http.CanonicalHeaderKey(name)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Values gives all values of a header.
func (h header) Values(name string) []string { return h[http.CanonicalHeaderKey(name)] }

// Each calls f for every header line.
func (h header) Each(f func(name, value string)) {
	for name, values := range h {
		for _, v := range values {
			f(name, v)
		}
	}
}
