package pages

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"slices"

	tmpl "pilothouse/templates/pages"
	"pilothouse/web/jobs"
	"pilothouse/web/live"
	"pilothouse/web/messages"
	"pilothouse/web/rows"
	"pilothouse/web/unseen"
	"pilothouse/web/view"
)

// OpenLive opens the live part of a page whose address is given. wake is called
// when Next may have something; it must not wait.
func (c *Call) OpenLive(ctx context.Context, r live.Request, wake func()) (live.Subscription, error) {
	ctx = messages.With(ctx, c.Language)
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, queryError{err}
	}
	if r.Kind == "job" {
		return c.openJob(u.Path, wake)
	}
	if r.Kind == "logs" {
		return c.openLogs(ctx, u, r.Have, wake)
	}
	if r.Kind == "overview" {
		return c.openOverview(ctx, r.Have, wake)
	}
	if r.Kind == "types" {
		return c.openTypes(r.Have, wake), nil
	}
	if r.Kind == "requests" {
		return c.openNewest(c.newestRequest(u.Query()), wake), nil
	}
	if r.Kind == "audit" {
		return c.openNewest(c.newestEvent(u.Query()), wake), nil
	}
	a, ok := parseAddress(c.Types(), u.Path)
	if !ok {
		return nil, notServed(u.Path)
	}
	switch r.Kind {
	case "list":
		return c.openList(ctx, parseList(a, u.Query()), r, wake)
	case "object":
		return c.openObject(ctx, a, u.Query().Get("tab"), wake)
	case "feed":
		return c.openFeed(a, u, r.Anchor, wake)
	}
	return nil, notServed(r.Kind)
}

// IsQuery tells an error that is about what the user typed.
func IsQuery(err error) bool { return isQuery(err) }

// liveList is a list that a browser shows.
type liveList struct {
	call   *Call
	state  listState
	view   *rows.View
	window *rows.Window
	shape  *shape
	told   string // why it is not live, as it was told last
	// marked are the uids of the rows that the tab shows as to be deleted; stop ends the
	// wakes for that.
	marked map[string]bool
	stop   func()
}

// untold is what was told before anything was.
const untold = "\x00"

func (c *Call) openList(ctx context.Context, s listState, r live.Request, wake func()) (live.Subscription, error) {
	key, query, _, err := c.ask(ctx, &s)
	if err != nil {
		return nil, queryError{err}
	}
	v, err := c.Pool.Open(ctx, c.Client, key, query)
	if err != nil {
		return nil, asQuery(err)
	}
	l := &liveList{call: c, state: s, view: v, window: v.Window(r.From, r.Size, wake), told: untold, stop: c.Jobs.Watch(c.Session.User.Name, wake)}
	columns, age := v.Columns()
	sh := newShape(&l.state, columns, age, nil)
	if sh.like(r.Shape); sh.key == r.Shape && len(r.Have) > 0 {
		l.shape = sh
		l.window.Has(r.Have)
	}
	return l, nil
}

// Move shows another part of the list.
func (l *liveList) Move(from, size int, anchor string) { l.window.Move(from, size, anchor) }

// Close ends it.
func (l *liveList) Close() {
	l.stop()
	l.window.Close()
	l.view.Close()
}

// listMessage is a change of a list as the browser gets it.
type listMessage struct {
	Whole   bool              `json:"whole,omitempty"`
	URL     string            `json:"url,omitempty"`
	Head    string            `json:"head,omitempty"`
	Shape   string            `json:"shape,omitempty"`
	Command string            `json:"command,omitempty"`
	Curl    string            `json:"curl,omitempty"`
	Empty   string            `json:"empty,omitempty"`
	From    int               `json:"from"`
	Total   int               `json:"total"`
	Count   string            `json:"count"`
	Order   []string          `json:"order,omitempty"`
	Rows    map[string]string `json:"rows,omitempty"`
	Gone    []string          `json:"gone,omitempty"`
}

// stateMessage tells whether what is shown is all there is.
type stateMessage struct {
	_ view.Incomparable

	Live  bool   `json:"live"`
	Since string `json:"since"`
	Why   string `json:"why,omitempty"`
}

// Next gives the next change.
func (l *liveList) Next() ([]byte, error) {
	f, changed := l.window.Frame()
	var out struct {
		List  *listMessage  `json:"list,omitempty"`
		State *stateMessage `json:"state,omitempty"`
	}
	out.State = l.tell(f.State)
	marks := l.call.toDelete()
	if l.mark(f, marks) || changed {
		m, err := l.message(f, marks)
		if err != nil {
			return nil, err
		}
		out.List = m
	}
	if out.List == nil && out.State == nil {
		return nil, nil
	}
	return plainJSON(out)
}

// mark adds the rows to a frame that are to be deleted now and were not, or the
// other way around. It tells whether there are any.
func (l *liveList) mark(f *rows.Frame, marks jobs.Marks) bool {
	if len(marks) == 0 && len(l.marked) == 0 {
		return false
	}
	marked, before := map[string]bool{}, len(f.Rows)
	for _, r := range l.window.Shown() {
		on := marks.On(r.UID)
		if on {
			marked[r.UID] = true
		}
		if on != l.marked[r.UID] && !slices.Contains(f.Rows[:before], r) {
			f.Rows = append(f.Rows, r)
		}
	}
	l.marked = marked
	return len(f.Rows) > before
}

// plainJSON writes HTML as it is: it goes into a message, not into a page.
func plainJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

func (l *liveList) tell(s rows.State) *stateMessage {
	m := &stateMessage{Live: s.Err == nil, Since: s.Since.UTC().Format("2006-01-02T15:04:05Z07:00")}
	if s.Err != nil {
		f, ok := l.call.Fault(s.Err)
		m.Why = f.Message
		if !ok {
			m.Why = l.call.T("the server cannot list them")
		}
	}
	if m.Why == l.told {
		return nil
	}
	l.told = m.Why
	return m
}

func (l *liveList) message(f *rows.Frame, marks jobs.Marks) (*listMessage, error) {
	var buf bytes.Buffer
	ctx := messages.With(context.Background(), l.call.Language)
	v := view.List{Total: f.Total, All: f.All, Resource: l.state.entry.Resource.Name}
	m := &listMessage{Whole: f.Whole, From: f.From, Total: f.Total, Order: f.Order, Gone: f.Gone}
	if f.Whole || l.shape == nil {
		l.state.widths = l.call.keptWidths(l.state.address)
		l.shape = newShape(&l.state, f.Columns, f.AgeCol, f.Rows)
		v.Columns, v.Narrow, v.Lines = l.shape.columns(), l.shape.narrow(), l.shape.lines
		if err := tmpl.TableHead(v).Render(ctx, &buf); err != nil {
			return nil, err
		}
		m.Whole, m.Head, m.Shape = true, string(unseen.HTML(buf.Bytes())), l.shape.key
		m.URL = l.state.url()
		m.Command, m.Curl = l.call.listCommands(ctx, &l.state)
		if m.Order == nil {
			m.Order = []string{}
		}
	}
	buf.Reset()
	if err := tmpl.Count(f.Total, f.All).Render(ctx, &buf); err != nil {
		return nil, err
	}
	m.Count = buf.String()
	if f.Total == 0 {
		m.Empty = tmpl.Empty(ctx, v)
	}
	m.Rows = make(map[string]string, len(f.Rows))
	for _, r := range f.Rows {
		html, err := l.shape.html(ctx, r, marks)
		if err != nil {
			return nil, err
		}
		m.Rows[r.UID] = html
	}
	return m, nil
}

// renderedRow is what a row keeps of its HTML.
type renderedRow struct {
	key, language, html string
}

// html gives a row's HTML, made once for all tabs that show it alike.
func (sh *shape) html(ctx context.Context, r *rows.Row, marks jobs.Marks) (string, error) {
	if marks.On(r.UID) {
		var buf bytes.Buffer
		err := tmpl.Row(sh.row(r, marks)).Render(ctx, &buf)
		return string(unseen.HTML(buf.Bytes())), err
	}
	language := messages.From(ctx).Tag
	if was, ok := r.Rendered.Load().(renderedRow); ok && was.key == sh.key && was.language == language {
		return was.html, nil
	}
	var buf bytes.Buffer
	if err := tmpl.Row(sh.row(r, nil)).Render(ctx, &buf); err != nil {
		return "", err
	}
	html := string(unseen.HTML(buf.Bytes()))
	r.Rendered.Store(renderedRow{sh.key, language, html})
	return html, nil
}
