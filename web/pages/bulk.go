package pages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	tmpl "pilothouse/templates/pages"
	"pilothouse/web/jobs"
	"pilothouse/web/messages"
	"pilothouse/web/rows"
	"pilothouse/web/undo"
	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// maxBulk bounds the objects of one change.
	maxBulk = 100_000
	// typedFrom is the number of objects from which the number is to be typed.
	typedFrom = 11
	// shownNames is how many names a confirmation shows.
	shownNames = 50
)

// target is one object of a change of many.
type target struct {
	address
	uid string
}

// bulk asks before many objects are changed, or begins to change them.
func bulk(ctx context.Context, c *Call) (*Answer, error) {
	list, err := url.Parse(c.Form.Get("list"))
	if err != nil {
		return nil, notServed(c.Form.Get("list"))
	}
	a, ok := parseAddress(c.Types(), list.Path)
	if !ok {
		return nil, notServed(list.Path)
	}
	act := doingOf(c.Form.Get("act"), a.entry)
	reads := c.Form.Get("act") == bulkLogs && selectsPods.has(a.entry)
	if act == nil && !reads {
		return nil, notServed(list.Path)
	}
	s := parseList(a, list.Query())
	targets, err := c.targets(ctx, &s)
	if err != nil {
		return nil, err
	}
	if reads {
		return c.logsOf(&s, targets)
	}
	shown := len(targets)
	if c.Form.Get("all") != "" && c.Form.Get("shown") != "" {
		targets, shown = ofShown(targets, c.Form.Get("shown"))
	}
	v := view.Bulk{
		FormToken: c.FormToken(), Act: c.Form.Get("act"), List: s.url(), All: c.Form.Get("all") != "", More: max(0, len(targets)-shownNames),
		Verb: messages.Said(c.T(act.many, len(targets), a.entry.Resource.Name)), Asks: act.asks, One: localPath(c.Form.Get("one")), Change: strings.TrimSpace(c.Form.Get("change")),
	}
	for i, t := range targets {
		if !v.All {
			v.Selected = append(v.Selected, t.uid+" "+t.namespace+"/"+t.name)
		}
		if i < shownNames {
			v.Names = append(v.Names, t.text())
		}
	}
	if act.deletes && v.All {
		v.Shown = shownOf(targets)
	}
	if act.deletes {
		v.Hold, v.Propagation = c.holdSeconds(), c.Form.Get("propagation")
	}
	v.Command, v.Curl = act.commands(c, targets)
	if len(targets) >= typedFrom {
		v.Typed = fmt.Sprint(len(targets))
	}
	if act.deletes && c.Form.Get("ask") != "" {
		return c.asks(v, targets), nil
	}
	if c.Form.Get("confirm") == "" || c.Form.Has("from") || len(targets) == 0 {
		return c.askBulk(ctx, v, act, targets, a, http.StatusOK), nil
	}
	switch {
	case v.Typed != "" && c.Form.Get("typed") != v.Typed && c.Form.Get("typed") != fmt.Sprint(shown):
		v.Problem = c.T("Type the number of objects: %s", v.Typed)
	case act.wrong != nil:
		v.Problem = c.T(act.wrong(v.Change))
	}
	if v.Problem != "" {
		return c.askBulk(ctx, v, act, targets, a, http.StatusBadRequest), nil
	}
	if act.deletes {
		return c.startDeletion(v, targets)
	}
	if v.One != "" && len(targets) == 1 {
		v.Verb = messages.Said(c.T(act.one, a.entry.Resource.Kind, targets[0].name))
		return c.doOne(ctx, act, v, targets[0])
	}
	return c.startJob(v, targets, act)
}

// askBulk asks before many objects are changed, with what a deletion takes along.
func (c *Call) askBulk(ctx context.Context, v view.Bulk, act *doing, targets []target, a address, status int) *Answer {
	switch {
	case act.deletes && c.R.Header.Get("X-Pilothouse") == "":
		c.askPlain(ctx, &v, targets)
	case act.deletes:
		asked := c.asking(targets)
		asked.run(ctx, min(len(targets), shownNames))
		asked.show(&v)
	}
	return c.bulkAnswer(v, a, status)
}

// localPath is a page of the dashboard to go back to; empty for what is none.
func localPath(path string) string {
	if !strings.HasPrefix(path, "/ui/") || strings.ContainsAny(path, "\\\r\n") {
		return ""
	}
	return path
}

func (c *Call) bulkAnswer(v view.Bulk, a address, status int) *Answer {
	return &Answer{
		Status: status, Title: c.T(v.Verb), Body: tmpl.Bulk(v), Current: listPath(a.gvr, ""),
		Crumbs: []view.Link{{Text: groupName(a.gvr.Group), Href: "/ui/resources", Data: true}, {Text: a.entry.Resource.Name, Href: v.List, Data: true}, {Text: v.Act, Data: true}},
	}
}

// targets are the objects that a form names, or all that its list shows.
func (c *Call) targets(ctx context.Context, s *listState) ([]target, error) {
	var list []target
	add := func(uid, namespace, name string) {
		if len(list) < maxBulk && name != "" {
			a := s.address
			a.namespace, a.name = namespace, name
			list = append(list, target{a, uid})
		}
	}
	if c.Form.Get("all") == "" {
		for _, v := range c.Form["sel"] {
			uid, key, _ := strings.Cut(v, " ")
			namespace, name, _ := strings.Cut(key, "/")
			add(uid, namespace, name)
		}
		return list, nil
	}
	key, query, _, err := c.ask(ctx, s)
	if err != nil {
		return nil, queryError{err}
	}
	v, err := c.Pool.Open(ctx, c.Client, key, query)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	v.Each(func(r *rows.Row) bool {
		add(r.UID, r.Namespace, r.Name)
		return len(list) < maxBulk
	})
	return list, nil
}

// startJob starts the work and leads to its page.
func (c *Call) startJob(v view.Bulk, targets []target, d *doing) (*Answer, error) {
	// The request ends long before the work does: what goes on has a Call of
	// its own.
	worker := c.worker()
	change := undo.New(c.T(v.Verb))
	if len(targets) > undo.MaxObjects {
		change.Take() // more than is kept: nothing is read for it
	}
	items := make([]jobs.Item, len(targets))
	for i, t := range targets {
		items[i] = jobs.Item{
			Text: t.text(), Href: objectPath(t.gvr, t.namespace, t.name),
			Run: func(ctx context.Context) (string, error) {
				err := undoing(ctx, worker, d, change, t, v.Change)
				if errors.Is(err, errNoChange) {
					return worker.T("no change"), nil
				}
				return "", err
			},
		}
	}
	j, err := c.Jobs.Start(jobs.Work{Owner: c.Session.User.Name, Title: c.T(v.Verb), Back: v.List, Items: items})
	if err != nil {
		return nil, c.busy(err)
	}
	change.Job = j.ID
	c.Undo.Keep(c.Session.ID, change)
	return &Answer{Redirect: jobPath(j)}, nil
}

// startDeletion has many objects deleted and leads to the work's page.
func (c *Call) startDeletion(v view.Bulk, targets []target) (*Answer, error) {
	work := c.deletion(c.T(v.Verb), v.List, targets)
	work.Subject = c.T("%d %s", len(targets), targets[0].entry.Resource.Name)
	if len(targets) == 1 {
		t := targets[0]
		work.Subject, work.Past = t.entry.Resource.Kind+" "+t.name, objectPath(t.gvr, t.namespace, t.name)+"?tab=history"
	}
	j, err := c.Jobs.Start(work)
	if err != nil {
		return nil, c.busy(err)
	}
	return &Answer{Redirect: jobPath(j)}, nil
}

// setMetadata sets or removes one label or annotation: "key=value" or "key-".
func setMetadata(ctx context.Context, c *Call, d *doing, t target, change string) error {
	key, value, set := strings.Cut(change, "=")
	var v any = value
	if !set {
		key, v = strings.TrimSuffix(change, "-"), nil
	}
	return c.patch(ctx, t, "", map[string]any{"metadata": map[string]any{"uid": t.uid, d.field: map[string]any{key: v}}})
}

// restartTarget does what kubectl rollout restart does.
func restartTarget(ctx context.Context, c *Call, _ *doing, t target, _ string) error {
	at := c.Clock().UTC().Format(time.RFC3339)
	return c.patch(ctx, t, "", map[string]any{"metadata": map[string]any{"uid": t.uid}, "spec": map[string]any{"template": map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{"kubectl.kubernetes.io/restartedAt": at}},
	}}})
}

func (c *Call) patch(ctx context.Context, t target, subresource string, change map[string]any) error {
	raw, err := json.Marshal(change)
	if err != nil {
		return err
	}
	return c.Client.Patch(ctx, t.gvr, t.namespace, t.name, subresource, types.MergePatchType, raw, nil)
}
