package pages

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"strings"

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
		return exportJob(j)
	}
	v := c.jobView(j)
	return &Answer{Title: v.Title, Body: tmpl.Job(v), Crumbs: []view.Link{{Text: c.T("Back to the list"), Href: v.Back}, {Text: v.Title}}}, nil
}

func (c *Call) job(path string) *jobs.Job {
	return c.Jobs.Find(c.Session.User.Name, strings.TrimPrefix(path, "/ui/jobs/"))
}

// shownFailures bounds the failures that a page shows; the export has all.
const shownFailures = 200

func (c *Call) jobView(j *jobs.Job) view.Job {
	p := j.Progress()
	v := view.Job{
		ID: j.ID, Title: j.Title, FormToken: c.FormToken(), Done: p.Done, Total: j.Total, Failed: p.Failed, Running: p.Running, Cancelled: p.Cancelled,
		Back: j.Back, Export: "/ui/jobs/" + j.ID + "?export=1",
	}
	if change := c.Undo.OfJob(c.Session.ID, j.ID); change != nil && change.Open() {
		v.Undo = change.ID
	}
	for i, f := range p.Failures {
		if i == shownFailures {
			break
		}
		v.Failures = append(v.Failures, view.JobFailure{Text: f.Text, Href: f.Href, Message: c.reason(f.Err)})
	}
	return v
}

func (c *Call) reason(err error) string {
	f, _ := c.Fault(err)
	return f.Message
}

// cancelJob ends a job early.
func cancelJob(_ context.Context, c *Call) (*Answer, error) {
	j := c.job(c.R.Path)
	if j == nil {
		return nil, notServed(c.R.Path)
	}
	j.Cancel()
	return &Answer{Redirect: c.R.Path}, nil
}

// exportJob gives the failures as CSV.
func exportJob(j *jobs.Job) (*Answer, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.Write([]string{"object", "reason"}); err != nil {
		return nil, err
	}
	for _, f := range j.Progress().Failures {
		if err := w.Write([]string{f.Text, f.Err.Error()}); err != nil {
			return nil, err
		}
	}
	w.Flush()
	a := &Answer{Raw: []byte(b.String()), Type: "text/csv; charset=utf-8"}
	a.header("Content-Disposition", `attachment; filename="failures.csv"`)
	return a, nil
}

// liveJob tells how far a job is.
type liveJob struct {
	job  *jobs.Job
	stop func()
	last jobs.Progress
	told bool
}

func (c *Call) openJob(path string, wake func()) (live.Subscription, error) {
	j := c.job(path)
	if j == nil {
		return nil, notServed(path)
	}
	return &liveJob{job: j, stop: j.Watch(wake)}, nil
}

// Next tells what has changed.
func (l *liveJob) Next() ([]byte, error) {
	p := l.job.Progress()
	if l.told && p.Done == l.last.Done && p.Running == l.last.Running {
		return nil, nil
	}
	l.last, l.told = p, true
	return json.Marshal(map[string]any{"job": map[string]any{"done": p.Done, "total": l.job.Total, "failed": p.Failed, "running": p.Running}})
}

// Move does nothing.
func (*liveJob) Move(int, int, string) {}

// Close ends it.
func (l *liveJob) Close() { l.stop() }
