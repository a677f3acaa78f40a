package pages

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"

	"pilothouse/backend/client"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/view"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const (
	// maxDocuments bounds what is applied at once.
	maxDocuments = 500
	// fieldManager owns the fields that the dashboard applies.
	fieldManager = "pilothouse-dashboard"
)

// applyPage asks for documents. With a list's address it offers an empty object
// of that kind.
func applyPage(_ context.Context, c *Call) (*Answer, error) {
	v := view.Apply{FormToken: c.FormToken(), Namespace: "default"}
	if a, ok := parseAddress(c.Registry.Table(), c.Query.Get("list")); ok {
		if a.namespace != "" {
			v.Namespace = a.namespace
		}
		v.Text = skeleton(a, v.Namespace)
	}
	return c.applyAnswer(v, http.StatusOK), nil
}

func (c *Call) applyAnswer(v view.Apply, status int) *Answer {
	v.Command = "kubectl apply --server-side --field-manager=" + fieldManager + " -f -"
	q := url.Values{"fieldManager": {fieldManager}, "fieldValidation": {"Strict"}}
	if v.Force {
		v.Command += " --force-conflicts"
		q.Set("force", "true")
	}
	path := "/api/v1/namespaces/" + v.Namespace + "/configmaps/NAME"
	if a, ok := parseAddress(c.Registry.Table(), c.Query.Get("list")); ok {
		path = client.Path(a.gvr, v.Namespace, "NAME", "")
		if !a.entry.Resource.Namespaced {
			path = client.Path(a.gvr, "", "NAME", "")
		}
	}
	v.Curl = c.curl(client.Call{Method: http.MethodPatch, Path: path, Query: q, ContentType: string(types.ApplyPatchType), Body: []byte("@-")})
	return &Answer{Status: status, Title: c.T("Apply YAML"), Body: tmpl.Apply(v), Crumbs: []view.Link{{Text: c.T("Apply YAML")}}}
}

// skeleton is the least that an object of a kind has.
func skeleton(a address, namespace string) string {
	gvk := a.entry.GVK()
	text := "apiVersion: " + gvk.GroupVersion().String() + "\nkind: " + gvk.Kind + "\nmetadata:\n  name: \n"
	if a.entry.Resource.Namespaced {
		text += "  namespace: " + namespace + "\n"
	}
	switch gvk.Kind {
	case "ConfigMap", "Secret":
		text += map[string]string{"ConfigMap": "data:\n  key: value\n", "Secret": "type: Opaque\nstringData:\n  key: value\n"}[gvk.Kind]
	case "Namespace", "ServiceAccount":
	case "Role", "ClusterRole":
		text += "rules:\n- apiGroups: [\"\"]\n  resources: [pods]\n  verbs: [get, list, watch]\n"
	case "Pod":
		text += "spec:\n  containers:\n  - name: main\n    image: \n"
	case "Deployment", "ReplicaSet", "DaemonSet", "StatefulSet":
		text += "spec:\n  selector:\n    matchLabels:\n      app: \n  template:\n    metadata:\n      labels:\n        app: \n    spec:\n      containers:\n      - name: main\n        image: \n"
	default:
		text += "spec: {}\n"
	}
	return text
}

// document is one document of what was pasted.
type document struct {
	number int
	object unstructured.Unstructured
	addr   address
	err    error
}

// apply reviews or applies documents by server-side apply, in the order in
// which they depend on one another.
func apply(ctx context.Context, c *Call) (*Answer, error) {
	v := view.Apply{FormToken: c.FormToken(), Text: unix(c.Form.Get("text")), Namespace: c.Form.Get("namespace"), Force: c.Form.Get("force") != ""}
	if v.Namespace == "" {
		v.Namespace = "default"
	}
	docs, err := c.documents(v.Text, v.Namespace)
	if err != nil {
		f, ok := c.Fault(err)
		if !ok {
			return nil, err
		}
		v.Fault = f
		return c.applyAnswer(v, f.Code), nil
	}
	v.Done = c.Form.Get("act") == "save" || c.Form.Get("only") != ""
	only, forced := onlyOf(c.Form.Get("only"))
	v.Left = 0
	for _, d := range docs {
		if only != nil && !slices.Contains(only, d.number) {
			v.Left++
			continue
		}
		row := c.applyOne(ctx, d, v.Force || forced, !v.Done)
		if row.Tone == view.Bad {
			v.Failures++
		}
		v.Rows = append(v.Rows, row)
	}
	for _, r := range v.Rows {
		if r.Tone == view.Bad {
			v.Failed = strings.TrimPrefix(v.Failed+","+strconv.Itoa(r.Number), ",")
		}
	}
	sort.SliceStable(v.Rows, func(i, j int) bool { return v.Rows[i].Number < v.Rows[j].Number })
	status := http.StatusOK
	if v.Failures > 0 {
		status = http.StatusUnprocessableEntity
	}
	return c.applyAnswer(v, status), nil
}

// onlyOf reads which documents alone are to be applied: numbers with commas
// between them, with a ! in front to take the fields over.
func onlyOf(s string) (list []int, forced bool) {
	s, forced = strings.CutPrefix(s, "!")
	for part := range strings.SplitSeq(s, ",") {
		if n, err := strconv.Atoi(part); err == nil {
			list = append(list, n)
		}
	}
	return list, forced
}

// documents reads a stream of YAML or JSON documents, Lists taken apart.
func (c *Call) documents(text, namespace string) ([]document, error) {
	var list []document
	reader := yamlutil.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		raw, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, badText(err)
		}
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		var m map[string]any
		if err := yaml.Unmarshal(raw, &m); err != nil {
			return nil, badText(err)
		}
		if m == nil {
			continue // comments only
		}
		u := unstructured.Unstructured{Object: m}
		items := []unstructured.Unstructured{u}
		if u.IsList() {
			l, err := u.ToList()
			if err != nil {
				return nil, badText(err)
			}
			items = l.Items
		}
		for _, item := range items {
			list = append(list, c.document(len(list)+1, item, namespace))
		}
		if len(list) > maxDocuments {
			return nil, badRequest("There are more than %d documents.", maxDocuments)
		}
	}
	if len(list) == 0 {
		return nil, badRequest("There is no document in the text.")
	}
	sort.SliceStable(list, func(i, j int) bool { return orderOf(list[i].object.GetKind()) < orderOf(list[j].object.GetKind()) })
	return list, nil
}

func (c *Call) document(number int, u unstructured.Unstructured, namespace string) document {
	d := document{number: number, object: u}
	gvk := u.GroupVersionKind()
	e, ok := c.Registry.Table().ForKind(gvk)
	if !ok {
		d.err = notFound("the server has no kind %s in %s", gvk.Kind, gvk.GroupVersion())
		return d
	}
	if e.Resource.Namespaced && u.GetNamespace() == "" {
		d.object.SetNamespace(namespace)
	}
	d.addr = address{entry: e, gvr: e.GVR(), namespace: d.object.GetNamespace(), name: u.GetName()}
	return d
}

// kindOrder is what other documents depend on, first things first.
var kindOrder = []string{
	"Namespace", "CustomResourceDefinition", "PriorityClass", "StorageClass", "RuntimeClass", "ServiceAccount", "Role", "ClusterRole",
	"RoleBinding", "ClusterRoleBinding", "ResourceQuota", "LimitRange", "Secret", "ConfigMap", "PersistentVolume", "PersistentVolumeClaim", "Service",
}

func orderOf(kind string) int {
	for i, k := range kindOrder {
		if k == kind {
			return i
		}
	}
	return len(kindOrder)
}

// applyOne applies one document and says what came of it.
func (c *Call) applyOne(ctx context.Context, d document, force, dryRun bool) view.ApplyRow {
	row := view.ApplyRow{Number: d.number, Kind: d.object.GetKind(), Name: d.object.GetName(), Namespace: d.object.GetNamespace()}
	if d.err != nil {
		return refused(row, c, d.err)
	}
	before, err := c.current(ctx, d)
	if err != nil {
		return refused(row, c, err)
	}
	call, err := applyCall(d, force, dryRun)
	if err != nil {
		return refused(row, c, err)
	}
	resp, err := c.Client.Exchange(ctx, call)
	if err == nil {
		err = client.Error(call, resp)
	}
	if err != nil {
		return refused(row, c, err)
	}
	result := &unstructured.Unstructured{}
	if err := result.UnmarshalJSON(resp.Body); err != nil {
		return refused(row, c, err)
	}
	row.Name, row.Warnings = result.GetName(), warnings(resp)
	row.Href = objectPath(d.addr.gvr, d.addr.namespace, row.Name)
	row.Result, row.Tone = "created", view.Good
	if before != nil {
		row.Diff, row.Owners = diffObjects(before, result), ownerChanges(before, result)
		row.Result = "configured"
		if len(row.Diff) == 0 {
			row.Result, row.Tone = "unchanged", view.Quiet
		}
	}
	return row
}

func diffObjects(a, b *unstructured.Unstructured) []view.DiffLine {
	before, err1 := comparableYAML(a)
	after, err2 := comparableYAML(b)
	if err1 != nil || err2 != nil {
		return nil
	}
	return diff(before, after)
}

func refused(row view.ApplyRow, c *Call, err error) view.ApplyRow {
	row.Result, row.Tone = "refused", view.Bad
	switch {
	case apierrors.IsConflict(err):
		row.Result = "conflict"
	case apierrors.IsForbidden(err):
		row.Result = "denied"
	}
	f, _ := c.Fault(err)
	row.Message = f.Message
	return row
}

// current is the object as it is, nil when it is not there.
func (c *Call) current(ctx context.Context, d document) (*unstructured.Unstructured, error) {
	if d.addr.name == "" {
		return nil, nil
	}
	u := &unstructured.Unstructured{}
	err := c.Client.Get(ctx, d.addr.gvr, d.addr.namespace, d.addr.name, u)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

// applyCall is a server-side apply, or a create for what has no name yet.
func applyCall(d document, force, dryRun bool) (client.Call, error) {
	o := d.object.DeepCopy()
	o.SetManagedFields(nil) // an apply must not carry any
	raw, err := o.MarshalJSON()
	if err != nil {
		return client.Call{}, badText(err)
	}
	q := url.Values{"fieldManager": {fieldManager}, "fieldValidation": {"Strict"}}
	if dryRun {
		q.Set("dryRun", "All")
	}
	if d.addr.name == "" {
		return client.Call{Method: http.MethodPost, Path: client.Path(d.addr.gvr, d.addr.namespace, "", ""), Query: q, Body: raw}, nil
	}
	if force {
		q.Set("force", "true")
	}
	return client.Call{
		Method: http.MethodPatch, Path: client.Path(d.addr.gvr, d.addr.namespace, d.addr.name, ""), Query: q, ContentType: string(types.ApplyPatchType), Body: raw,
	}, nil
}
