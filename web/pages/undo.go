package pages

import (
	"context"
	"net/http"
	"strings"
	"time"

	"pilothouse/backend/client"
	"pilothouse/web/jobs"
	"pilothouse/web/messages"
	"pilothouse/web/undo"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// endFor is how long an undo waits for the end of what it cancels.
const endFor = 10 * time.Second

// offerUndo keeps what one object was before a change, and tells the user.
func (c *Call) offerUndo(text string, o undo.Object) {
	change := undo.New(text)
	change.Add(o)
	c.Undo.Keep(c.Session.ID, change)
}

// undoing does something with one object and takes down in change what it was
// before and what came of it.
func undoing(ctx context.Context, c *Call, d *doing, change *undo.Change, t target, value string) error {
	if d.final || !change.Open() {
		change.Take()
		return d.do(ctx, c, d, t, value)
	}
	o, known, err := c.observed(ctx, t.address, func() error { return d.do(ctx, c, d, t, value) })
	switch {
	case err != nil:
		return err
	case known:
		change.Add(o)
	default:
		change.Take()
	}
	return nil
}

// observed changes an object and tells what it was before and what came of it, if that
// is known: the change may be allowed where reading is not.
func (c *Call) observed(ctx context.Context, a address, do func() error) (o undo.Object, known bool, err error) {
	get := client.Call{Method: http.MethodGet, Path: client.Path(a.gvr, a.namespace, a.name, "")}
	before, unread := c.Client.Bytes(ctx, get)
	if err := do(); err != nil {
		return o, false, err
	}
	if unread != nil {
		return o, false, nil
	}
	after, unread := c.Client.Bytes(ctx, get)
	return undo.Object{Path: objectPath(a.gvr, a.namespace, a.name), Before: before, After: after}, unread == nil, nil
}

// undoably changes an object, tells the user so and offers to take that back.
func (c *Call) undoably(ctx context.Context, text string, a address, do func() error) error {
	o, known, err := c.observed(ctx, a, do)
	if known {
		c.offerUndo(text, o)
	}
	return err
}

// undoChange takes a change back: what was changed is as it was, with what
// others have changed in it since.
func undoChange(ctx context.Context, c *Call) (*Answer, error) {
	change := c.Undo.Find(c.Session.ID, c.Form.Get("id"))
	if change == nil || !change.Open() {
		return nil, notFound("This cannot be undone any more. What an object was before can be restored in its History.")
	}
	if j := c.Jobs.Find(c.Session.User.Name, change.Job); j != nil {
		endJob(ctx, j)
	}
	list := change.Take()
	if len(list) == 0 {
		return nil, notFound("Nothing was changed, so there is nothing to undo.")
	}
	a, ok := parseAddress(c.Types(), list[0].Path)
	if !ok {
		return nil, notServed(list[0].Path)
	}
	if len(list) == 1 {
		text := c.T("%s %s is as it was.", a.entry.Resource.Kind, a.name)
		if err := c.undoably(ctx, text, a, func() error { return c.takeBack(ctx, list[0]) }); err != nil {
			return nil, err
		}
		return &Answer{Redirect: list[0].Path}, nil
	}
	return c.undoJob(change.Text, a, list)
}

// endJob cancels a job and waits until what it has begun is done.
func endJob(ctx context.Context, j *jobs.Job) {
	ctx, cancel := context.WithTimeout(ctx, endFor)
	defer cancel()
	j.Cancel()
	j.Await(ctx)
}

// undoJob takes many objects back.
func (c *Call) undoJob(text string, a address, list []undo.Object) (*Answer, error) {
	worker := c.worker()
	items := make([]jobs.Item, len(list))
	for i, o := range list {
		items[i] = jobs.Item{Text: strings.TrimPrefix(o.Path, "/ui"), Href: o.Path, Run: func(ctx context.Context) (string, error) {
			return "", worker.takeBack(ctx, o)
		}}
	}
	j, err := c.Jobs.Start(jobs.Work{Owner: c.Session.User.Name, Title: c.T("Undo: %s", strings.TrimSuffix(text, ".")), Back: listPath(a.gvr, a.namespace), Items: items})
	if err != nil {
		return nil, c.busy(err)
	}
	return &Answer{Redirect: jobPath(j)}, nil
}

// takeBack makes one object what it was.
func (c *Call) takeBack(ctx context.Context, o undo.Object) error {
	a, ok := parseAddress(c.Types(), o.Path)
	if !ok {
		return notServed(o.Path)
	}
	before := &unstructured.Unstructured{}
	if err := before.UnmarshalJSON(o.Before); err != nil {
		return err
	}
	live, err := c.read(ctx, a)
	switch {
	case err != nil:
		return err
	case live.GetUID() != before.GetUID():
		return conflict(a, "another object has its name now")
	}
	return c.putBack(ctx, a, before, o.After, live)
}

func (c *Call) read(ctx context.Context, a address) (*unstructured.Unstructured, error) {
	raw, err := c.Client.Bytes(ctx, client.Call{Method: http.MethodGet, Path: client.Path(a.gvr, a.namespace, a.name, "")})
	if err != nil {
		return nil, err
	}
	o := &unstructured.Unstructured{}
	return o, o.UnmarshalJSON(raw)
}

func conflict(a address, why messages.Text, args ...any) error {
	said := messages.Errorf(why, args...)
	text := messages.Errorf("Operation cannot be fulfilled on %s %q: %s", a.gvr.GroupResource(), a.name, said)
	return &refusal{apierrors.NewConflict(a.gvr.GroupResource(), a.name, said), text}
}

// putBack takes what a change made of an object out of what the object is now:
// what others have changed since stays, unless it is the same field.
func (c *Call) putBack(ctx context.Context, a address, before *unstructured.Unstructured, afterRaw []byte, live *unstructured.Unstructured) error {
	after := &unstructured.Unstructured{}
	if err := after.UnmarshalJSON(afterRaw); err != nil {
		return err
	}
	version, status := live.GetResourceVersion(), live.Object["status"]
	for _, o := range []*unstructured.Unstructured{before, after, live} {
		o.SetManagedFields(nil)
		unstructured.RemoveNestedField(o.Object, "metadata", "resourceVersion")
		unstructured.RemoveNestedField(o.Object, "metadata", "generation")
		delete(o.Object, "status")
	}
	merged, conflicts := merge(after.Object, before.Object, live.Object, "")
	if len(conflicts) > 0 {
		var fields []string
		for _, f := range conflicts {
			fields = append(fields, f.Field)
		}
		return conflict(a, "someone else has changed the same fields since: %s", strings.Join(fields, ", "))
	}
	o := &unstructured.Unstructured{Object: merged.(map[string]any)}
	o.SetResourceVersion(version)
	if status != nil {
		o.Object["status"] = status
	}
	body, err := o.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = c.Client.Bytes(ctx, client.Call{Method: http.MethodPut, Path: client.Path(a.gvr, a.namespace, a.name, ""), ContentType: "application/json", Body: body})
	return err
}
