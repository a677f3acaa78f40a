package pages

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/request"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/view"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
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
	if a, ok := parseAddress(c.Types(), c.Query.Get("list")); ok {
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
	if a, ok := parseAddress(c.Types(), c.Query.Get("list")); ok {
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
	if c.Form.Get("act") == "save" || c.Form.Get("only") != "" {
		return c.startApply(ctx, &v, docs)
	}
	var marks []faultLine
	for _, d := range docs {
		row, err := c.applyOne(ctx, d, v.Force, true, "")
		marks = append(marks, d.marks(&row, err)...)
		v.Rows = append(v.Rows, row)
	}
	v.Marks = marksJSON(marks)
	return c.applyAnswer(v, tallied(&v)), nil
}

// tallied puts rows into the order of their documents, counts those that failed, and
// gives the status of a page that shows them.
func tallied(v *view.Apply) int {
	sort.SliceStable(v.Rows, func(i, j int) bool { return v.Rows[i].Number < v.Rows[j].Number })
	var failed, left []string
	for _, r := range v.Rows {
		switch {
		case r.Tone == view.Bad:
			failed = append(failed, strconv.Itoa(r.Number))
		case r.Result == "":
			left = append(left, strconv.Itoa(r.Number))
		}
	}
	v.Failures, v.Failed = len(failed), strings.Join(failed, ",")
	v.NotBegun, v.Rest = len(left), strings.Join(left, ",")
	if v.Failures > 0 {
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
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

// applyOne applies one document and says what came of it. seen is what the user
// was last shown of its object, empty for nothing: when that is something else now
// it is a conflict, unless the fields are taken over.
func (c *Call) applyOne(ctx context.Context, d document, force, dryRun bool, seen string) (view.ApplyRow, error) {
	row := rowOf(&d)
	if d.same > 0 {
		row.Message = c.T("the same object as document %d, applied after it", d.same)
	}
	if d.err != nil {
		return c.refused(row, d.err)
	}
	if d.awaitsKind && (dryRun || !c.appears(ctx, &d)) {
		if !dryRun {
			return c.refused(row, notFound("the server has no kind %s in %s", d.gvk().Kind, d.gvk().GroupVersion()))
		}
		return c.later(row), nil
	}
	var before, result *unstructured.Unstructured
	var resp *request.Response
	var creates bool
	for tries := 0; ; tries++ {
		var known bool
		var err error
		if before, known, err = c.current(ctx, d); err != nil {
			return c.refused(row, err)
		}
		if known && d.same == 0 {
			row.Seen = seenOf(before)
		}
		if seen != "" && row.Seen != "" && seen != row.Seen && !force && !dryRun {
			return c.refused(row, conflict(d.addr, "it is not any more what the review has shown"))
		}
		creates = known && before == nil && !force
		call, err := applyCall(d, before, creates, force, dryRun)
		if err != nil {
			return c.refused(row, err)
		}
		if resp, err = c.Client.Exchange(context.WithoutCancel(ctx), call); err == nil {
			err = client.Error(call, resp)
		}
		if dryRun && d.awaitsNamespace && apierrors.IsNotFound(err) {
			return c.later(row), nil
		}
		if err != nil && apierrors.IsConflict(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) && before != nil && tries < 5 {
			continue // somebody else wrote it, its status perhaps
		}
		if err != nil {
			return c.refused(row, err)
		}
		break
	}
	result = &unstructured.Unstructured{}
	if err := result.UnmarshalJSON(resp.Body); err != nil {
		return c.refused(row, err)
	}
	row.Name, row.Warnings = result.GetName(), warnings(resp)
	row.Href = objectPath(d.addr.gvr, d.addr.namespace, row.Name)
	row.Diff = diffObjects(before, result)
	row.Result, row.Tone = "configured", view.Good
	switch {
	case resp.Status == http.StatusCreated:
		row.Result = "created"
	case creates: // a server behind this one, which does not know that precondition
		row.Tone, row.Message = view.Warn, c.T("somebody else created it at the same moment; these fields are in theirs now")
	case before != nil:
		row.Owners = ownerChanges(before, result)
		if len(row.Diff) == 0 {
			row.Result, row.Tone = "unchanged", view.Quiet
		}
	}
	if !dryRun {
		row.Seen = seenOf(result)
	}
	return row, nil
}

// marks are the lines of the whole text that a failure is about; the row names them.
func (d *document) marks(row *view.ApplyRow, err error) []faultLine {
	if err == nil || d.raw == "" {
		return nil
	}
	list := faultLines(err, d.raw, d.after)
	row.Lines = numbersOf(list)
	return list
}

func rowOf(d *document) view.ApplyRow {
	return view.ApplyRow{Number: d.number, Kind: d.object.GetKind(), Name: d.object.GetName(), Namespace: d.object.GetNamespace()}
}

// later is a document that the server can be asked about when others are applied.
func (c *Call) later(row view.ApplyRow) view.ApplyRow {
	row.Result, row.Tone = "created", view.Good
	row.Message = c.T("after what it needs of the other documents; it is checked then")
	return row
}

// kindAppears is how long a kind may take to be served after its definition.
const kindAppears = 15 * time.Second

// appears waits until the kind of a document is served.
func (c *Call) appears(ctx context.Context, d *document) bool {
	ctx, cancel := context.WithTimeout(ctx, kindAppears)
	defer cancel()
	for !c.locate(d, d.object.GetNamespace()) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return true
}

// seenOf stands for what an object is, its status apart.
func seenOf(o *unstructured.Unstructured) string {
	if o == nil {
		return "none"
	}
	o = o.DeepCopy()
	delete(o.Object, "status")
	for _, f := range []string{"resourceVersion", "generation", "managedFields"} {
		unstructured.RemoveNestedField(o.Object, "metadata", f)
	}
	raw, err := json.Marshal(o.Object)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:12])
}

// maxApplyDiff bounds the lines of the difference of one document.
const maxApplyDiff = 1000

func diffObjects(a, b *unstructured.Unstructured) []view.DiffLine {
	before := ""
	var err1 error
	if a != nil {
		before, err1 = comparableYAML(a)
	}
	after, err2 := comparableYAML(b)
	if err1 != nil || err2 != nil {
		return nil
	}
	list := diff(before, after)
	if len(list) > maxApplyDiff {
		list = append(list[:maxApplyDiff:maxApplyDiff], view.DiffLine{Sign: "…"})
	}
	return list
}

// refused is a document that failed, and why.
func (c *Call) refused(row view.ApplyRow, err error) (view.ApplyRow, error) {
	row.Result, row.Tone = "refused", view.Bad
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		row.Result = "conflict"
	case apierrors.IsForbidden(err):
		row.Result = "denied"
	}
	f, _ := c.Fault(err)
	row.Message = f.Message
	return row, err
}

// current is the object as it is, nil when it is not there; it is not known to
// who may not get it.
func (c *Call) current(ctx context.Context, d document) (o *unstructured.Unstructured, known bool, err error) {
	if d.addr.name == "" {
		return nil, true, nil
	}
	u := &unstructured.Unstructured{}
	err = c.Client.Get(ctx, d.addr.gvr, d.addr.namespace, d.addr.name, u)
	switch {
	case apierrors.IsNotFound(err):
		return nil, true, nil
	case apierrors.IsForbidden(err):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	return u, true, nil
}

// applyCall is a server-side apply, or a create for what has no name yet. With
// creates it is refused when the object is there already: of two who create one
// object at the same moment one is told.
func applyCall(d document, before *unstructured.Unstructured, creates, force, dryRun bool) (client.Call, error) {
	o := d.object.DeepCopy()
	o.SetManagedFields(nil) // an apply must not carry any
	if before != nil && o.GetResourceVersion() == "" {
		o.SetResourceVersion(before.GetResourceVersion()) // two of one state never both succeed
	}
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
	call := client.Call{
		Method: http.MethodPatch, Path: client.Path(d.addr.gvr, d.addr.namespace, d.addr.name, ""), Query: q, ContentType: string(types.ApplyPatchType), Body: raw,
	}
	if creates {
		call.Header = http.Header{"If-None-Match": {"*"}}
	}
	return call, nil
}
