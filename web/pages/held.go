package pages

import (
	"context"
	"slices"
	"strings"
	"time"

	"pilothouse/templates"
	"pilothouse/web/jobs"
	"pilothouse/web/undo"
	"pilothouse/web/view"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// deletion is the work that deletes objects as the form says it: how, and
// whether at once or after the time in which it can be undone.
func (c *Call) deletion(title, back string, targets []target) jobs.Work {
	w := jobs.Work{Owner: c.Session.User.Name, Title: title, Back: back, Hold: c.Hold, Items: make([]jobs.Item, len(targets))}
	if c.Form.Get("now") != "" {
		w.Hold = 0
	}
	worker, propagation := c.worker(), propagationOf(c.Form.Get("propagation"))
	for i, t := range targets {
		w.Items[i] = jobs.Item{
			Text: t.text(), Href: objectPath(t.gvr, t.namespace, t.name), UID: t.uid,
			Run: func(ctx context.Context) (string, error) { return worker.deleteTarget(ctx, t, propagation) },
		}
	}
	return w
}

// deleteTarget deletes one object, and tells what it waits for when it is not gone.
func (c *Call) deleteTarget(ctx context.Context, t target, propagation metav1.DeletionPropagation) (string, error) {
	left, err := c.deleteObject(ctx, t, propagation, false)
	if err != nil || left.DeletionTimestamp == nil || len(left.Finalizers) == 0 {
		return "", err
	}
	return c.T("waits for its finalizers: %s", strings.Join(left.Finalizers, ", ")), nil
}

// worker is a Call for work that goes on when the request has ended.
func (c *Call) worker() *Call {
	return &Call{Site: c.Site, Language: c.Language, R: c.R, Session: c.Session, Client: c.Client}
}

// text names a target: namespace and name.
func (t *target) text() string { return strings.TrimPrefix(t.namespace+"/"+t.name, "/") }

// busy is why a job was not started.
func (c *Call) busy(err error) error {
	return apierrors.NewTooManyRequests(c.Language.Error(err), 5)
}

// toDelete are the objects that wait to be deleted for the user.
func (c *Call) toDelete() jobs.Marks { return c.Jobs.Marks(c.Session.User.Name) }

// Toasts are what the user is told beside the page at an address: the work that
// waits or has ended, and what was done last; the newest first.
func (c *Call) Toasts(path string) []view.Toast {
	if c.Session == nil {
		return nil
	}
	var list []view.Toast
	told := c.Jobs.Told(c.Session.User.Name)
	change, left := c.Undo.Latest(c.Session.ID)
	for _, j := range told {
		if change != nil && change.At().After(j.Began()) {
			list, change = append(list, changeToast(change, left)), nil
		}
		if path != jobPath(j) {
			list = append(list, c.jobToast(j))
		}
	}
	if change != nil {
		list = append(list, changeToast(change, left))
	}
	return list
}

func changeToast(change *undo.Change, left time.Duration) view.Toast {
	return view.Toast{ID: change.ID, Text: change.Text, Job: change.Job, Undo: change.Open(), Left: int(left.Milliseconds())}
}

func jobPath(j *jobs.Job) string { return "/ui/jobs/" + j.ID }

// jobToast tells of a deletion, or of an apply.
func (c *Call) jobToast(j *jobs.Job) view.Toast {
	p := j.Progress()
	if _, ok := j.Detail.(*applying); ok {
		return c.applyToast(j, &p)
	}
	t := view.Toast{ID: j.ID, Job: j.ID, Subject: j.Subject}
	one := j.Total() == 1
	if !p.Running {
		t.Left = int(p.ToldFor().Milliseconds())
	}
	switch {
	case p.Held:
		t.State, t.Left, t.Undo = "held", int(p.Left.Milliseconds()), true
	case p.Running && one:
		t.State, t.Text = "running", c.T("%s is being deleted.", j.Subject)
	case p.Running:
		t.State, t.Text = "running", c.T("%s are being deleted: %d of %d.", j.Subject, p.Done, j.Total())
	case p.Kept:
		t.State, t.Text = "kept", c.T("Nothing was deleted: %s", j.Subject)
	case p.Failed > 0 && one:
		t.State, t.Left, t.Text = "failed", 0, c.T("%s was not deleted: %s", j.Subject, c.reason(p.Failures[0].Err))
	case p.Failed > 0:
		t.State, t.Left, t.Text = "failed", 0, c.T("%s: %d of %d could not be deleted.", j.Subject, p.Failed, j.Total())
	case p.Cancelled:
		t.State, t.Text = "done", c.T("%s: %d of %d were deleted.", j.Subject, p.Done, j.Total())
	case j.Note(0) != "" && one:
		t.State, t.Text = "done", c.T("%s is being deleted; it %s", j.Subject, j.Note(0))
	case one:
		t.State, t.Text, t.Past = "done", c.T("%s was deleted.", j.Subject), j.Past
	default:
		t.State, t.Text = "done", c.T("%s were deleted.", j.Subject)
	}
	return t
}

// toasts are the toasts alone, for scripts.
func toasts(_ context.Context, c *Call) (*Answer, error) {
	return c.toastsAnswer(c.Query.Get("on")), nil
}

func (c *Call) toastsAnswer(path string) *Answer {
	list := slices.DeleteFunc(c.Toasts(path), func(t view.Toast) bool { return t.State == "" })
	return &Answer{Body: templates.Toasts(list, c.FormToken(), path), Fragment: true}
}
