package rows

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/metrics"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/klog/v2"
)

// accept asks for the table form.
const accept = "application/json;as=Table;v=v1;g=meta.k8s.io"

// pageSize is how many objects one list request asks for.
const pageSize = 2000

// rewatch is how long one watch lasts. A new one is authorized anew, so it is
// also how long someone sees what they may not see any more.
const rewatch = 4 * time.Minute

// retry is how long a Source waits after a failure, poll between two lists of what
// cannot be watched.
const (
	retry = time.Second
	poll  = 5 * time.Second
)

// Key says what a Source has.
type Key struct {
	GVR schema.GroupVersionResource
	// Namespace is one namespace, several with commas between them for someone
	// who may not list all, or empty for all.
	Namespace     string
	FieldSelector string
	// Extra are columns besides those of the API, one a line; see IsExtra.
	Extra string
}

// several tells a key of more than one namespace, which the API has no request
// for.
func (k Key) several() bool { return strings.Contains(k.Namespace, ",") }

// State tells how fresh a Source is.
type State struct {
	// Err is why there is nothing, or nothing new; nil while it is live.
	Err error
	// Since is when the data was last known to be all there is.
	Since time.Time
	// Version is the resourceVersion that the data is of.
	Version string
}

// Source is the rows of one resource, kept up to date by a list and a watch
// that are made as one user.
type Source struct {
	pool   *Pool
	key    Key
	client *client.Client
	cancel context.CancelFunc
	// loaded is closed after the first list, or its failure.
	loaded chan struct{}

	mu      sync.Mutex // guards the fields below
	columns []Column
	hands   []hand // of the columns
	ageCol  int
	rows    map[string]*Row
	ordered []*Row // rows in the API's own order
	state   State
	errs    map[string]error // why a namespace has nothing new
	views   map[string]*View
	users   int
	idle    *time.Timer
}

// run lists and watches until ctx ends, each namespace for itself.
func (s *Source) run(ctx context.Context) {
	var first, all sync.WaitGroup
	for namespace := range strings.SplitSeq(s.key.Namespace, ",") {
		first.Add(1)
		all.Go(metrics.Guarded("dashboard", func() { s.follow(ctx, namespace, sync.OnceFunc(first.Done)) }))
	}
	first.Wait()
	close(s.loaded)
	all.Wait()
}

// follow keeps the rows of a namespace up to date. listed is called after the
// first list, or its failure.
func (s *Source) follow(ctx context.Context, namespace string, listed func()) {
	defer listed()
	for ctx.Err() == nil {
		version, err := s.list(ctx, namespace)
		if err != nil && !expired(err) {
			s.fail(namespace, err)
		}
		listed()
		for err == nil && ctx.Err() == nil {
			version, err = s.watch(ctx, namespace, version)
		}
		switch {
		case ctx.Err() != nil || expired(err):
		case apierrors.IsMethodNotSupported(err):
			wait(ctx, poll) // metrics of pods, say
		default:
			s.fail(namespace, err)
			wait(ctx, retry)
		}
	}
}

func expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// list reads all objects of a namespace and puts them in the place of those
// before.
func (s *Source) list(ctx context.Context, namespace string) (version string, err error) {
	rows := map[string]*Row{}
	var columns []Column
	o := metav1.ListOptions{FieldSelector: s.key.FieldSelector, Limit: pageSize}
	for {
		t, err := s.page(ctx, namespace, o)
		if err != nil {
			return "", err
		}
		if columns == nil {
			columns = t.Columns
		}
		hands := hands(s.key.GVR, columns)
		for i := range t.Rows {
			r := t.Rows[i].row(hands)
			rows[r.UID] = r
		}
		version = t.Metadata.ResourceVersion
		if o.Continue = t.Metadata.Continue; o.Continue == "" {
			break
		}
	}
	s.replace(namespace, columns, rows, version)
	return version, nil
}

func (s *Source) page(ctx context.Context, namespace string, o metav1.ListOptions) (*table, error) {
	key := s.key
	key.Namespace = namespace
	return Page(ctx, s.client, key, o)
}

// replace takes the result of a list of a namespace. What did not change stays
// the same Row.
func (s *Source) replace(namespace string, columns []Column, rows map[string]*Row, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sameColumns := len(columns) == len(s.columns)
	for i := range columns {
		sameColumns = sameColumns && columns[i] == s.columns[i]
	}
	old := s.rows
	if s.key.several() {
		old = map[string]*Row{}
		for uid, r := range s.rows {
			if r.Namespace == namespace {
				old[uid] = r
			} else {
				rows[uid] = r
			}
		}
	}
	s.columns, s.hands, s.rows = columns, hands(s.key.GVR, columns), rows
	s.ageCol = AgeColumn(columns, slices.Collect(maps.Values(rows)))
	for uid, was := range old {
		now := rows[uid]
		if now != nil && now.Version == was.Version && now.Version != "" && sameColumns {
			rows[uid] = was
			continue
		}
		if now != nil {
			now.keep(was)
		}
		s.tell(was, now)
	}
	s.ordered = slices.SortedFunc(maps.Values(rows), inOrder)
	for uid, now := range rows {
		if old[uid] == nil && (now.Namespace == namespace || !s.key.several()) {
			s.tell(nil, now)
		}
	}
	if !sameColumns {
		for _, v := range s.views {
			v.restart()
		}
	}
	s.fresh(namespace, version)
}

// fresh notes that a namespace is up to date. s.mu is held.
func (s *Source) fresh(namespace, version string) {
	stale := s.state.Err != nil
	delete(s.errs, namespace)
	s.state = State{Since: time.Now(), Version: version, Err: s.anyErr()}
	if stale {
		s.tellState()
	}
}

// anyErr is one of the errors of the namespaces. s.mu is held.
func (s *Source) anyErr() error {
	for _, namespace := range slices.Sorted(maps.Keys(s.errs)) {
		return s.errs[namespace]
	}
	return nil
}

func (s *Source) fail(namespace string, err error) {
	if err == nil {
		return
	}
	klog.V(2).InfoS("Live list has no data", "resource", s.key.GVR, "user", s.client.User().Name, "err", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.state.Err
	s.errs[namespace] = err
	s.state.Err = s.anyErr()
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		// What may not be seen any more is not shown.
		hidden := func(r *Row) bool { return !s.key.several() || r.Namespace == namespace }
		maps.DeleteFunc(s.rows, func(_ string, r *Row) bool { return hidden(r) })
		s.ordered = slices.DeleteFunc(s.ordered, hidden)
		for _, v := range s.views {
			v.restart()
		}
	}
	if was == nil || was.Error() != s.state.Err.Error() {
		s.tellState()
	}
}

func (s *Source) tellState() {
	for _, v := range s.views {
		v.wake()
	}
}

// tell hands a change to every view. s.mu is held.
func (s *Source) tell(was, now *Row) {
	for _, v := range s.views {
		v.changed(was, now)
	}
}

// watch takes events until the watch ends and gives the version to go on from.
func (s *Source) watch(ctx context.Context, namespace, version string) (string, error) {
	timeout := int64(rewatch / time.Second)
	q := client.Call{Method: "GET", Path: client.Path(s.key.GVR, namespace, "", ""), Accept: accept}
	q.Query = query(metav1.ListOptions{FieldSelector: s.key.FieldSelector, ResourceVersion: version})
	q.Query.Set("watch", "true")
	q.Query.Set("allowWatchBookmarks", "true")
	q.Query.Set("timeoutSeconds", itoa(timeout))
	if s.key.Extra != "" {
		q.Query.Set("includeObject", "Object")
	}
	resp, err := s.client.Send(ctx, q)
	if err != nil {
		return "", err
	}
	if err := client.Refusal(ctx, q, resp); err != nil {
		return "", err
	}
	if resp.Chunked == nil {
		return "", errors.New("the API gave no watch")
	}
	err = resp.Chunked(ctx, &lines{f: func(line []byte) error {
		v, err := s.event(line)
		if v != "" {
			version = v
		}
		return err
	}})
	if err == nil {
		s.mu.Lock()
		s.fresh(namespace, version)
		s.mu.Unlock()
	}
	return version, err
}

// event takes one event of the watch and gives its version.
func (s *Source) event(line []byte) (version string, err error) {
	var e struct {
		Type   watch.EventType `json:"type"`
		Object jsontext.Value  `json:"object"`
	}
	if err := json.Unmarshal(line, &e, jsontext.AllowDuplicateNames(true)); err != nil {
		return "", err
	}
	if e.Type == watch.Error {
		status := metav1.Status{}
		if err := json.Unmarshal(e.Object, &status, json.MatchCaseInsensitiveNames(true)); err != nil {
			return "", err
		}
		return "", &apierrors.StatusError{ErrStatus: status}
	}
	if e.Type == watch.Bookmark {
		var b struct {
			Metadata struct{ ResourceVersion string } `json:"metadata"`
		}
		err := json.Unmarshal(e.Object, &b, json.MatchCaseInsensitiveNames(true))
		if err == nil && b.Metadata.ResourceVersion == "" {
			return s.bookmarkRow(e.Object)
		}
		return b.Metadata.ResourceVersion, err
	}
	t, err := decodeWith(e.Object, s.key.Extra)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	hands := s.hands
	s.mu.Unlock()
	for i := range t.Rows {
		r := t.Rows[i].row(hands)
		version = r.Version
		s.apply(e.Type, r)
	}
	return version, nil
}

// bookmarkRow reads the version of a bookmark that is a table of one row.
func (s *Source) bookmarkRow(raw []byte) (string, error) {
	t, err := decode(raw)
	if err != nil || len(t.Rows) == 0 {
		return "", nil //nolint:nilerr // a bookmark that says nothing is no loss
	}
	return t.Rows[0].Object.Metadata.ResourceVersion, nil
}

func (s *Source) apply(t watch.EventType, r *Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.rows[r.UID]
	if t == watch.Deleted {
		if was == nil {
			return
		}
		delete(s.rows, r.UID)
		s.put(was, nil)
		r = nil
	} else {
		if was != nil {
			r.keep(was)
		}
		s.rows[r.UID] = r
		s.put(was, r)
		s.state.Version = r.Version
	}
	s.state.Since = time.Now()
	s.tell(was, r)
}

// put puts a row into the place of the one that it was before, in the order; nil
// stands for none. s.mu is held.
func (s *Source) put(was, now *Row) {
	some := was
	if some == nil {
		some = now
	}
	i, found := slices.BinarySearchFunc(s.ordered, some, inOrder)
	switch {
	case found && now != nil:
		s.ordered[i] = now
	case found:
		s.ordered = slices.Delete(s.ordered, i, i+1)
	case now != nil:
		s.ordered = slices.Insert(s.ordered, i, now)
	}
}

// AgeColumn finds the column that shows the age of objects, which a browser can
// keep counting; -1 when there is none. A CRD may call another moment Age.
func AgeColumn(columns []Column, rows []*Row) int {
	i := slices.IndexFunc(columns, func(c Column) bool { return c.Name == "Age" })
	if i < 0 || len(rows) == 0 {
		return i
	}
	r := rows[0]
	if i >= len(r.Cells) || r.Created.IsZero() {
		return -1
	}
	shown, ok := duration(r.Cells[i])
	actual := time.Since(r.Created)
	if !ok || shown > actual+2*time.Second || shown < actual*8/10-2*time.Second {
		return -1
	}
	return i
}

// lines cuts a watch's bytes into lines.
type lines struct {
	f       func(line []byte) error
	pending []byte
}

// Write takes the next bytes.
func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			l.pending = append(l.pending, p...)
			return n, nil
		}
		line := p[:i]
		if len(l.pending) > 0 {
			line = append(l.pending, line...)
			l.pending = nil
		}
		if len(line) > 0 {
			if err := l.f(line); err != nil {
				return 0, err
			}
		}
		p = p[i+1:]
	}
}

// Flush does nothing: every line has been handed over.
func (*lines) Flush() error { return nil }
