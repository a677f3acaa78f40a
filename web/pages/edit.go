package pages

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"pilothouse/backend/client"
	"pilothouse/backend/request"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/undo"
	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// editPage shows an object's YAML for a change.
func editPage(ctx context.Context, c *Call, o *loaded) (*Answer, error) {
	text, err := editable(&o.object)
	if err != nil {
		return nil, err
	}
	v := c.editView(o)
	v.Text, v.Base, v.BaseVersion = text, text, o.object.GetResourceVersion()
	v.Fault = c.refusedBy(c.may(ctx, right{verb: "update", address: o.address}))
	return c.editAnswer(v, o.address, http.StatusOK), nil
}

func (c *Call) editView(o *loaded) view.Edit {
	return view.Edit{
		Kind: o.object.GetKind(), Name: o.name, Namespace: o.namespace, Path: objectPath(o.gvr, o.namespace, o.name),
		FormToken: c.FormToken(), Secret: o.gvr.Resource == "secrets",
	}
}

func (c *Call) editAnswer(v view.Edit, a address, status int) *Answer {
	crumbs := objectCrumbs(a)
	crumbs[len(crumbs)-1].Href = v.Path
	return &Answer{
		Status: status, Title: c.T("Edit %s", v.Name), Body: tmpl.Edit(v), Current: listPath(a.gvr, ""), Crumbs: append(crumbs, view.Link{Text: c.T("edit")}),
	}
}

// save reviews or writes a changed object. Whatever goes wrong, the user's text
// comes back.
func save(ctx context.Context, c *Call) (*Answer, error) {
	a, ok := parseAddress(c.Types(), c.Form.Get("path"))
	if !ok || a.name == "" {
		return nil, notServed(c.Form.Get("path"))
	}
	o, err := c.load(ctx, a)
	if err != nil {
		return nil, err
	}
	v := c.editView(o)
	v.Text, v.Base, v.BaseVersion = unix(c.Form.Get("text")), unix(c.Form.Get("base")), c.Form.Get("version")
	status, err := c.saveText(ctx, o, &v)
	if err != nil {
		f, ok := c.Fault(err)
		if !ok {
			return nil, err
		}
		v.Fault, status = f, f.Code
		markFault(&v, err)
	}
	if status == http.StatusSeeOther {
		return &Answer{Redirect: v.Path + "?tab=yaml"}, nil
	}
	return c.editAnswer(v, a, status), nil
}

// unix is a form's text as it was written: browsers send line ends as CR LF.
func unix(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

func badText(err error) error {
	return badRequest("The text is not YAML: %s", strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "))
}

// saveText does what the form asks for; the status is 303 after a save.
func (c *Call) saveText(ctx context.Context, o *loaded, v *view.Edit) (int, error) {
	mine := map[string]any{}
	if err := yaml.Unmarshal([]byte(v.Text), &mine); err != nil {
		return 0, badText(err)
	}
	encode(mine)
	if unchanged(v.Base, mine) {
		v.Review = &view.Review{Same: true}
		if c.Form.Get("act") == "save" {
			return http.StatusSeeOther, nil
		}
		return http.StatusOK, nil
	}
	if v.BaseVersion != o.object.GetResourceVersion() {
		if done, err := c.rebase(o, v, mine); err != nil || !done {
			return http.StatusConflict, err
		}
	}
	u := unstructured.Unstructured{Object: mine}
	u.SetResourceVersion(v.BaseVersion) // two editors of one state never both succeed
	raw, err := u.MarshalJSON()
	if err != nil {
		return 0, badText(err)
	}
	review, err := c.review(ctx, o, raw)
	if err != nil {
		return 0, err
	}
	v.Review = review
	if c.Form.Get("act") != "save" || v.Note != "" {
		return http.StatusOK, nil
	}
	if review.Same {
		return http.StatusSeeOther, nil // a save that changes nothing sends nothing
	}
	call := putCall(o, raw, false)
	resp, err := c.Client.Exchange(ctx, call)
	if err == nil {
		err = client.Error(call, resp)
	}
	if err != nil {
		return 0, err
	}
	c.offerUndo(c.T("%s %s was saved.", v.Kind, v.Name), undo.Object{Path: v.Path, Before: o.raw, After: resp.Body})
	return http.StatusSeeOther, nil
}

// unchanged tells a text that says what it began with: then the server is asked
// for nothing.
func unchanged(base string, mine map[string]any) bool {
	was := map[string]any{}
	if yaml.Unmarshal([]byte(base), &was) != nil {
		return false
	}
	encode(was)
	return reflect.DeepEqual(was, mine)
}

// rebase lays the user's changes over what the object has become meanwhile;
// false when both have changed the same fields and the form does not say whose
// value is to stay.
func (c *Call) rebase(o *loaded, v *view.Edit, mine map[string]any) (bool, error) {
	base := map[string]any{}
	if err := yaml.Unmarshal([]byte(v.Base), &base); err != nil {
		return false, badText(err)
	}
	encode(base)
	live, status := comparable(o.object.DeepCopy().Object)
	base, _ = comparable(base)
	was, _ := comparable(maps.Clone(mine))
	for _, tree := range []map[string]any{base, was, live} {
		if isSecret(tree) && tree["data"] == nil {
			tree["data"] = map[string]any{} // each value is a conflict of its own
		}
	}
	merged, conflicts, err := mergeBy(base, was, live, "", func(field string) (string, string) {
		return c.Form.Get("choice." + field), unix(c.Form.Get("own." + field))
	})
	if err != nil || slices.ContainsFunc(conflicts, func(f view.Conflict) bool { return f.Choice == "" }) {
		v.Conflicts, v.Panes = conflicts, conflictPanes(base, was, live)
		v.Note = c.T("Someone else has changed the object meanwhile, in the same fields. Choose whose values are to stay, or write others; nothing is written before.")
		return false, err
	}
	tree, _ := merged.(map[string]any)
	if status != nil {
		tree["status"] = status
	}
	u := unstructured.Unstructured{Object: tree}
	u.SetResourceVersion(o.object.GetResourceVersion())
	text, err := rebasedText(v.Text, &u)
	if err != nil {
		return false, err
	}
	if v.Base, err = editable(&o.object); err != nil {
		return false, err
	}
	clear(mine)
	maps.Copy(mine, tree)
	v.Note = c.T("Someone else has changed the object meanwhile, in other fields. Your changes were put on top of theirs.")
	if len(conflicts) > 0 {
		v.Note = c.T("Your changes and those of others are together now, with the values that you chose.")
	}
	v.Text, v.BaseVersion = text, o.object.GetResourceVersion()
	return true, nil
}

// comparable is a tree without what every write changes and without its status,
// which it gives beside: an update does not write it, so it is never in the way.
func comparable(tree map[string]any) (map[string]any, any) {
	out, _ := roundTrip(tree).(map[string]any)
	status := tree["status"]
	delete(out, "status")
	for _, f := range []string{"resourceVersion", "generation", "managedFields"} {
		unstructured.RemoveNestedField(out, "metadata", f)
	}
	return out, status
}

// rebasedText is what an object has become, in the user's own text where that is
// possible.
func rebasedText(text string, u *unstructured.Unstructured) (string, error) {
	shown := u.DeepCopy()
	decode(shown)
	if out, ok := rewrite(text, shown.Object); ok {
		return out, nil
	}
	return editable(u)
}

// conflictPanes shows the three states of an object beside each other.
func conflictPanes(trees ...map[string]any) []view.PaneRow {
	texts := make([]string, 3)
	for i, tree := range trees {
		text, err := editable(&unstructured.Unstructured{Object: tree})
		if err != nil {
			return nil // the fields are listed besides
		}
		texts[i] = text
	}
	return panes(texts[0], texts[1], texts[2])
}

// roundTrip gives a tree the number types that JSON has, so that equal trees
// compare as equal.
func roundTrip(m map[string]any) any {
	raw, err := yaml.Marshal(m)
	if err != nil {
		return m
	}
	var out map[string]any
	if yaml.Unmarshal(raw, &out) != nil {
		return m
	}
	return out
}

func putCall(o *loaded, raw []byte, dryRun bool) client.Call {
	q := url.Values{"fieldValidation": {"Strict"}}
	if dryRun {
		q.Set("dryRun", "All")
	}
	return client.Call{Method: http.MethodPut, Path: client.Path(o.gvr, o.namespace, o.name, ""), Query: q, Body: raw}
}

// review has the server do everything but write.
func (c *Call) review(ctx context.Context, o *loaded, raw []byte) (*view.Review, error) {
	call := putCall(o, raw, true)
	resp, err := c.Client.Exchange(ctx, call)
	if err == nil {
		err = client.Error(call, resp)
	}
	if err != nil {
		return nil, err
	}
	result := &unstructured.Unstructured{}
	if err := result.UnmarshalJSON(bytes.TrimSpace(resp.Body)); err != nil {
		return nil, err
	}
	before, err := comparableYAML(&o.object)
	if err != nil {
		return nil, err
	}
	after, err := comparableYAML(result)
	if err != nil {
		return nil, err
	}
	r := &view.Review{Diff: diff(before, after), Warnings: warnings(resp), Command: "kubectl replace -f - --validate=strict --field-manager=" + fieldManager, Curl: c.curlPut(call)}
	r.Same = len(r.Diff) == 0
	r.Owners = ownerChanges(&o.object, result)
	return r, nil
}

// comparableYAML is an object's YAML without what every write changes.
func comparableYAML(o *unstructured.Unstructured) (string, error) {
	o = o.DeepCopy()
	for _, f := range []string{"managedFields", "resourceVersion", "generation"} {
		unstructured.RemoveNestedField(o.Object, "metadata", f)
	}
	decode(o)
	raw, err := yaml.Marshal(o.Object)
	return string(raw), err
}

// warnings are the texts of a response's Warning headers.
func warnings(resp *request.Response) []string {
	var list []string
	for _, h := range resp.Header {
		if !strings.EqualFold(h.Name, "Warning") {
			continue
		}
		text := h.Value
		if i := strings.Index(text, `"`); i >= 0 {
			text = strings.Trim(text[i:], `"`)
		}
		list = append(list, strings.ReplaceAll(text, `\"`, `"`))
	}
	return list
}
