package pages

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	tmpl "pilothouse/templates/pages"
	"pilothouse/web/jobs"
	"pilothouse/web/view"
)

const (
	// maxAppliedText bounds the texts, in bytes, of the applies of one user that are
	// kept to go on with; the last one is always.
	maxAppliedText = 16 << 20
	// appliesSoon is how long a page waits for an apply: what is done by then is
	// shown done, without an interlude.
	appliesSoon = 300 * time.Millisecond
)

// applying is an apply as a job: what its form said, and what came of each document.
type applying struct {
	namespace string
	force     bool
	left      int

	mu sync.Mutex // guards the fields below
	// text is what the documents were read from, empty when it is not kept any more.
	text string
	// rows are in the order of the job's items; one without a Result has not ended.
	rows  []view.ApplyRow
	marks []faultLine
}

func (a *applying) put(i int, row view.ApplyRow, marks []faultLine) {
	row.Diff, row.Owners = nil, nil // those are for a review
	row.Item = i
	a.mu.Lock()
	a.rows[i], a.marks = row, append(a.marks, marks...)
	a.mu.Unlock()
}

func (a *applying) row(i int) view.ApplyRow {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rows[i]
}

// startApply applies documents, those that the form names or all, one after the
// other, and leads to the page of that work.
func (c *Call) startApply(ctx context.Context, v *view.Apply, docs []document) (*Answer, error) {
	a := &applying{namespace: v.Namespace, force: v.Force, text: v.Text}
	only, forced := onlyOf(c.Form.Get("only"))
	var chosen []document
	for _, d := range docs {
		if only != nil && !slices.Contains(only, d.number) {
			a.left++
			continue
		}
		row := rowOf(&d)
		row.Item = len(chosen)
		chosen, a.rows = append(chosen, d), append(a.rows, row)
	}
	worker := c.worker()
	work := jobs.Work{
		Owner: c.Session.User.Name, Title: c.T("Apply YAML"), Subject: c.N(len(chosen), "%d document", "%d documents"), Back: "/ui/apply", InOrder: true, Detail: a,
	}
	if len(chosen) == 1 {
		work.Subject = nameOf(&chosen[0])
	}
	for i, d := range chosen {
		seen := ""
		if only == nil { // who tries again has seen why it failed
			seen = c.Form.Get("seen." + strconv.Itoa(d.number))
		}
		work.Items = append(work.Items, jobs.Item{Text: nameOf(&d), Run: func(ctx context.Context) (string, error) {
			row, err := worker.applyOne(ctx, d, v.Force || forced, false, seen)
			a.put(i, row, d.marks(&row, err))
			return row.Message, err
		}})
	}
	j, err := c.Jobs.Start(work)
	if err != nil {
		return nil, c.busy(err)
	}
	c.dropTexts()
	ctx, cancel := context.WithTimeout(ctx, appliesSoon)
	defer cancel()
	j.Await(ctx)
	return &Answer{Redirect: jobPath(j)}, nil
}

// nameOf names a document where there is one line for it.
func nameOf(d *document) string {
	o := &d.object
	return strings.TrimSpace(o.GetKind() + " " + strings.TrimPrefix(o.GetNamespace()+"/"+o.GetName(), "/"))
}

// dropTexts lets go of the texts of the user's older applies.
func (c *Call) dropTexts() {
	kept := 0
	for _, j := range c.Jobs.Of(c.Session.User.Name) {
		a, ok := j.Detail.(*applying)
		if !ok {
			continue
		}
		a.mu.Lock()
		if kept > 0 && kept+len(a.text) > maxAppliedText {
			a.text = ""
		}
		kept += len(a.text)
		a.mu.Unlock()
	}
}

// applyingPage is the page of an apply: how far it is, and when it has ended what
// came of it with the text to go on with.
func (c *Call) applyingPage(j *jobs.Job, a *applying) *Answer {
	p := j.Progress()
	if !p.Running {
		j.See() // the page tells it
	}
	v := view.Apply{FormToken: c.FormToken(), Namespace: a.namespace, Force: a.force, Left: a.left, Done: true}
	a.mu.Lock()
	v.Text, v.Rows, v.Marks = a.text, slices.Clone(a.rows), marksJSON(a.marks)
	a.mu.Unlock()
	states, _ := j.States(j.Total())
	for i := range v.Rows {
		v.Rows[i].State = string(rune(states[i]))
	}
	tallied(&v)
	job := c.jobView(j)
	job.Items = nil
	v.Job = &job
	answer := c.applyAnswer(v, http.StatusOK)
	if p.Running {
		answer.Body = tmpl.Applying(v)
	}
	return answer
}

// applyToast tells of an apply wherever its user is.
func (c *Call) applyToast(j *jobs.Job, p *jobs.Progress) view.Toast {
	t := view.Toast{ID: j.ID, Job: j.ID, Subject: j.Subject, State: "done"}
	one := j.Total() == 1
	switch {
	case p.Running && one:
		t.State, t.Text = "running", c.T("%s is being applied.", j.Subject)
	case p.Failed > 0 && one:
		t.State, t.Text = "failed", c.T("%s was not applied: %s", j.Subject, c.reason(p.Failures[0].Err))
	case one && !p.Cancelled:
		t.Text = c.T("%s was applied.", j.Subject)
	case p.Running:
		t.State, t.Text = "running", c.T("%s are being applied: %d of %d.", j.Subject, p.Done, j.Total())
	case p.Failed > 0:
		t.State, t.Text = "failed", c.T("%s: %d of %d could not be applied.", j.Subject, p.Failed, j.Total())
	case p.Cancelled:
		t.Text = c.T("%s: %d of %d were applied.", j.Subject, p.Done, j.Total())
	default:
		t.Text = c.T("%s were applied.", j.Subject)
	}
	if t.State == "done" {
		t.Left = int(p.ToldFor().Milliseconds())
	}
	return t
}
