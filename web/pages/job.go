package pages

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/client"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/jobs"
	"pilothouse/web/live"
	"pilothouse/web/view"
)

// jobPage shows how far work on many objects is.
func jobPage(_ context.Context, c *Call) (*Answer, error) {
	j := c.job(c.R.Path)
	if j == nil {
		return nil, notServed(c.R.Path)
	}
	if c.Query.Get("export") != "" {
		return c.exportJob(j)
	}
	if a, ok := j.Detail.(*applying); ok {
		return c.applyingPage(j, a), nil
	}
	v := c.jobView(j)
	return &Answer{Title: v.Title, Body: tmpl.Job(v), Crumbs: []view.Link{{Text: c.T("Back to the list"), Href: v.Back}, {Text: v.Title}}}, nil
}

func (c *Call) job(path string) *jobs.Job {
	return c.Jobs.Find(c.Session.User.Name, strings.TrimPrefix(path, "/ui/jobs/"))
}

// Bounds of what a page shows; the export has all.
const (
	shownItems    = 500
	shownFailures = 200
)

func (c *Call) jobView(j *jobs.Job) view.Job {
	p := j.Progress()
	v := view.Job{
		ID: j.ID, Title: j.Title, FormToken: c.FormToken(), Done: p.Done, Total: j.Total(), Failed: p.Failed, Running: p.Running, Cancelled: p.Cancelled,
		Held: p.Held, Kept: p.Kept, Left: int(p.Left.Milliseconds()), Back: j.Back, Export: jobPath(j) + "?export=1",
	}
	if change := c.Undo.OfJob(c.Session.ID, j.ID); change != nil && change.Open() {
		v.Undo = change.ID
	}
	v.Items = c.jobItems(j, p.Failures)
	v.More = v.Total - len(v.Items)
	return v
}

// jobItems are the first objects of a job, with those in front that failed
// beyond them.
func (c *Call) jobItems(j *jobs.Job, failures []jobs.Failure) []view.JobItem {
	states, notes := j.States(shownItems)
	why := map[int]string{}
	var list []view.JobItem
	for _, f := range failures {
		switch {
		case f.Index < len(states):
			why[f.Index] = c.reason(f.Err)
		case len(list) < shownFailures:
			list = append(list, view.JobItem{Index: f.Index, Text: f.Text, Href: f.Href, State: string(jobs.Failed), Message: c.reason(f.Err)})
		}
	}
	for i, s := range states {
		v := view.JobItem{Index: i, Text: j.Items[i].Text, Href: j.Items[i].Href, State: string(rune(s)), Message: notes[i]}
		if s == jobs.Failed {
			v.Message = why[i]
		}
		list = append(list, v)
	}
	return list
}

// reason is what is said of an error where there is one line for it: the message, the
// reason and the audit id of the request.
func (c *Call) reason(err error) string {
	f, _ := c.Fault(err)
	if asked, ok := errors.AsType[*client.Refused](err); ok {
		return c.T("%s (%s, audit id %s)", f.Message, cmp.Or(f.Reason, strconv.Itoa(f.Code)), asked.AuditID)
	}
	return f.Message
}

// changeJob ends a job early, begins one that is held, or takes down that its
// end has been seen. Scripts get the toasts, others the page from which they came.
func changeJob(ctx context.Context, c *Call) (*Answer, error) {
	j := c.job(c.R.Path)
	if j == nil {
		return nil, notServed(c.R.Path)
	}
	switch c.Form.Get("act") {
	case "now":
		j.Release()
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		j.Await(ctx) // mostly what comes of it can be told at once
	case "seen":
		j.See()
	default:
		j.Cancel()
	}
	page := localPath(c.Form.Get("url"))
	if c.R.Header.Get("X-Pilothouse") == "toast" {
		path, _, _ := strings.Cut(page, "?")
		return c.toastsAnswer(path), nil
	}
	if page == "" {
		page = c.R.Path
	}
	return &Answer{Redirect: page}, nil
}

// stateTexts are the states of items in an export, the same in every language.
var stateTexts = map[jobs.State]string{jobs.Waiting: "not begun", jobs.Working: "in progress", jobs.Done: "done", jobs.Failed: "failed"}

// exportJob gives what came of each object as CSV.
func (c *Call) exportJob(j *jobs.Job) (*Answer, error) {
	states, notes := j.States(j.Total())
	for _, f := range j.Progress().Failures {
		notes[f.Index] = f.Err.Error()
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.Write([]string{"object", "result", "reason"}); err != nil {
		return nil, err
	}
	for i, s := range states {
		if err := w.Write([]string{j.Items[i].Text, stateTexts[s], notes[i]}); err != nil {
			return nil, err
		}
	}
	w.Flush()
	a := &Answer{Raw: []byte(b.String()), Type: "text/csv; charset=utf-8"}
	a.header("Content-Disposition", `attachment; filename="result.csv"`)
	return a, nil
}

// liveJob tells how far a job is.
type liveJob struct {
	call *Call
	job  *jobs.Job
	stop func()
	last jobs.Progress
	at   int
	told bool
}

func (c *Call) openJob(path string, wake func()) (live.Subscription, error) {
	j := c.job(path)
	if j == nil {
		return nil, notServed(path)
	}
	return &liveJob{call: c, job: j, stop: j.Watch(wake)}, nil
}

// Next tells what has changed: each item is its index, its state, what there is to
// say of it, and the word for it when that is another one than its state's.
func (l *liveJob) Next() ([]byte, error) {
	items, at := l.job.Since(l.at, shownItems)
	p := l.job.Progress()
	if l.told && at == l.at && p.Held == l.last.Held && p.Running == l.last.Running {
		return nil, nil
	}
	l.last, l.at, l.told = p, at, true
	applied, _ := l.job.Detail.(*applying)
	changed := make([][]any, len(items))
	for i, item := range items {
		why, word := item.Note, ""
		if item.Err != nil {
			why = l.call.reason(item.Err)
		}
		if applied != nil && item.State != jobs.Working {
			row := applied.row(item.Index)
			why, word = row.Message, l.call.T(row.Result)
		}
		changed[i] = []any{item.Index, string(rune(item.State)), why, word}
	}
	return json.Marshal(map[string]any{"job": map[string]any{
		"done": p.Done, "total": l.job.Total(), "failed": p.Failed, "running": p.Running, "held": p.Held, "items": changed,
	}})
}

// Move does nothing.
func (*liveJob) Move(int, int, string) {}

// Close ends it.
func (l *liveJob) Close() { l.stop() }
