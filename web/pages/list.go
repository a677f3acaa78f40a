package pages

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	tmpl "pilothouse/templates/pages"
	"pilothouse/web/apidoc"
	"pilothouse/web/jobs"
	"pilothouse/web/rows"
	"pilothouse/web/view"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// pageRows is how many rows a page has before a script asks for more.
const pageRows = 100

// openTimeout is how long a page waits for a list.
const openTimeout = 20 * time.Second

// resourcePage is the page of a list or of an object.
func resourcePage(ctx context.Context, c *Call) (*Answer, error) {
	a, ok := parseAddress(c.Types(), c.R.Path)
	if !ok {
		return nil, c.notThere(ctx)
	}
	if a.name != "" {
		return object(ctx, c, a)
	}
	if c.Query.Get("view") == "watch" {
		return feed(ctx, c, a)
	}
	return list(ctx, c, a)
}

func notServed(path string) error {
	return notFound("There is no page at %s.", path)
}

// listState is what the address of a list says.
type listState struct {
	address
	query url.Values
	// namespaces and except are the picker's choice; one namespace is in
	// address.namespace instead.
	namespaces []string
	except     bool
	filter     string
	sort       string
	desc       bool
	wide       bool
	// cols are the columns that are shown, in their order; nil for as usual.
	cols []string
	page int
	// widths are what the user has dragged, see keptWidths.
	widths map[string]int
}

func parseList(a address, q url.Values) listState {
	s := listState{
		address: a, query: q, except: q.Get("except") != "", filter: strings.TrimSpace(q.Get("q")),
		sort: strings.ToLower(q.Get("sort")), desc: q.Get("desc") != "", wide: q.Get("wide") != "",
	}
	for _, v := range q["ns"] {
		for n := range strings.SplitSeq(v, ",") {
			if n = strings.TrimSpace(n); n != "" && !slices.Contains(s.namespaces, n) && len(s.namespaces) < maxNamespaces {
				s.namespaces = append(s.namespaces, n)
			}
		}
	}
	for _, v := range q["cols"] {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name != "" && name != usualColumns && !slices.Contains(s.cols, name) && len(s.cols) < maxColumns {
				s.cols = append(s.cols, name)
			}
		}
	}
	if !a.entry.Resource.Namespaced || a.namespace != "" {
		s.namespaces, s.except = nil, false
	}
	if len(s.namespaces) == 1 && !s.except {
		s.namespace, s.namespaces = s.namespaces[0], nil
	}
	s.page, _ = strconv.Atoi(q.Get("page")) // what is no number is the first page
	s.page = min(max(s.page, 1), 1_000_000)
	return s
}

// usualColumns in the address shows the columns of the API also to somebody who
// keeps others.
const usualColumns = "-"

// maxColumns bounds the columns of a list.
const maxColumns = 40

// maxNamespaces bounds the picker's choice.
const maxNamespaces = 200

// url is the address of the state, always the same for the same state.
func (s *listState) url(pairs ...string) string {
	q := url.Values{}
	for _, name := range []string{"q", "sort", "desc", "wide"} {
		if v := s.query.Get(name); v != "" {
			q.Set(name, v)
		}
	}
	switch {
	case len(s.cols) > 0:
		q.Set("cols", strings.Join(s.cols, ","))
	case s.query.Get("cols") == usualColumns:
		q.Set("cols", usualColumns)
	}
	if len(s.namespaces) > 0 {
		q.Set("ns", strings.Join(s.namespaces, ","))
		if s.except {
			q.Set("except", "1")
		}
	}
	return join(listPath(s.gvr, s.namespace), with(q, pairs...))
}

// ask splits the state into what the API and what a View answers.
func (s *listState) ask() (rows.Key, rows.Query, error) {
	f, err := rows.ParseFilter(s.filter)
	if err != nil {
		return rows.Key{}, rows.Query{}, err
	}
	if err := rows.CheckExtra(s.extra()); err != nil {
		return rows.Key{}, rows.Query{}, err
	}
	return rows.Key{GVR: s.gvr, Namespace: s.namespace, FieldSelector: f.Fields, Extra: s.extra()},
		rows.Query{Namespaces: s.namespaces, Except: s.except, Filter: f, Sort: s.sort, Desc: s.desc}, nil
}

// dropWrongColumns leaves out columns that cannot be read. It gives them, and
// what is wrong with the first one.
func (s *listState) dropWrongColumns() (wrong []string, first error) {
	s.cols = slices.DeleteFunc(s.cols, func(name string) bool {
		if !rows.IsExtra(name) {
			return false
		}
		err := rows.CheckExtra(name)
		if err != nil {
			wrong = append(wrong, name)
			first = cmp.Or(first, err)
		}
		return err != nil
	})
	return wrong, first
}

// extra are the columns that are none of the API's.
func (s *listState) extra() string {
	var list []string
	for _, name := range s.cols {
		if rows.IsExtra(name) {
			list = append(list, name)
		}
	}
	return strings.Join(list, "\n")
}

// showsNamespace tells whether the list has a column for it.
func (s *listState) showsNamespace() bool { return s.entry.Resource.Namespaced && s.namespace == "" }

// list is the page of a list.
func list(ctx context.Context, c *Call, a address) (*Answer, error) {
	if !can(a.entry, "list") {
		return nil, notFound("%s objects are made by requests and are not kept, so there is no list of them.", a.entry.Resource.Kind)
	}
	if kept := c.keptList(a); kept != "" {
		return &Answer{Redirect: kept}, nil
	}
	s := parseList(a, c.Query)
	s.widths = c.keptWidths(a)
	wrong, wrongErr := s.dropWrongColumns()
	v := c.listView(ctx, &s)
	status := http.StatusOK
	if wrongErr != nil { // the rows are shown without it, and what was typed stays to be mended
		v.OtherColumns, v.Problem, status = strings.Join(wrong, ", "), c.Problem(queryError{wrongErr}), http.StatusBadRequest
	}
	if err := c.fillList(ctx, &s, &v); err != nil {
		switch f, ok := c.Fault(err); {
		case isQuery(err):
			v.Problem, status = c.Problem(err), http.StatusBadRequest
		case ok:
			v.Fault, status = f, f.Code
			if v.Refused = f.Denied != nil; v.Refused {
				v.Version = c.typesVersion()
			}
		default:
			return nil, err
		}
	}
	return &Answer{
		Status: status, Title: v.Kind, Body: tmpl.List(v), Current: listPath(a.gvr, ""), Picker: s.picker(),
		Crumbs: []view.Link{{Text: groupName(a.gvr.Group), Href: "/ui/resources", Data: true}, {Text: a.entry.Resource.Name, Data: true}},
	}, nil
}

func groupName(g string) string {
	if g == "" {
		return "core"
	}
	return g
}

func (s *listState) picker() *Picker {
	if !s.entry.Resource.Namespaced {
		return nil
	}
	keep := with(s.query, "ns", "", "except", "", "page", "")
	chosen := s.namespaces
	if s.namespace != "" {
		chosen = []string{s.namespace}
	}
	return &Picker{
		All: listPath(s.gvr, ""), One: func(n string) string { return join(listPath(s.gvr, n), keep) },
		Keep: keep, Chosen: chosen, Except: s.except, of: s.address,
	}
}

// listView is the list's view without its rows.
func (c *Call) listView(ctx context.Context, s *listState) view.List {
	r := s.entry.Resource
	v := view.List{
		Resource: r.Name, Kind: plural(r.Kind), GroupVersion: s.gvr.GroupVersion().String(), Namespaced: r.Namespaced,
		Path: listPath(s.gvr, s.namespace), URL: s.url(), Filter: s.filter, Wide: s.wide, FormToken: c.FormToken(), CanDelete: can(s.entry, "delete"), Acts: c.acts(ctx, s),
	}
	v.Command, v.Curl = c.listCommands(ctx, s)
	v.Without = withoutTabs(s.entry)
	if v.CanDelete {
		v.DeleteDenied = c.mayIn(ctx, right{verb: "delete", address: s.address})
	}
	if can(s.entry, "create") {
		v.CreateDenied = c.mayIn(ctx, right{verb: "create", address: s.address})
		v.CreateHref = join("/ui/apply", with(nil, "list", listPath(s.gvr, s.namespace)))
	}
	if can(s.entry, "watch") {
		v.WatchHref = join(listPath(s.gvr, s.namespace), with(nil, "view", "watch"))
	}
	v.ExploreHref = kindPage(apidoc.PathOf(s.gvr.GroupVersion()), r.Kind, "")
	v.WideHref = s.url("wide", toggled(s.wide))
	v.Chosen, v.Columned = strings.Join(s.cols, ","), len(s.cols) > 0
	for _, name := range []string{"sort", "desc", "wide", "cols", "ns", "except"} {
		if value := s.query.Get(name); value != "" {
			if name == "ns" {
				value = strings.Join(s.namespaces, ",")
			}
			v.Keep = append(v.Keep, view.Param{Name: name, Value: value})
		}
	}
	return v
}

// acts are what can be done with many objects of a resource, besides deleting
// them; those that the user may not do anywhere in the list say why.
func (c *Call) acts(ctx context.Context, s *listState) []view.Act {
	var list []view.Act
	at := s.address
	if len(s.namespaces) > 0 && !s.except {
		at.namespace = s.namespaces[0]
	}
	if a, ok := c.logsAct(ctx, s.entry, at); ok {
		list = append(list, a)
	}
	for i := range doings {
		if d := &doings[i]; d.on(s.entry) && !d.deletes {
			list = append(list, view.Act{Name: d.name, Text: d.verb, Denied: c.mayIn(ctx, d.right(at))})
		}
	}
	return list
}

// mayIn is may, where the whole cluster stands for any namespace.
func (c *Call) mayIn(ctx context.Context, r right) *view.Denied {
	d := c.may(ctx, r)
	if d != nil && r.namespace == "" && r.entry.Resource.Namespaced && len(c.namespacesWith(ctx, r.verb, r.address)) > 0 {
		return nil // in some; where not, the object's own request says so
	}
	return d
}

func toggled(on bool) string {
	if on {
		return ""
	}
	return "1"
}

// fillList puts the rows of the state's page into a view.
func (c *Call) fillList(ctx context.Context, s *listState, v *view.List) error {
	key, query, narrowed, err := c.ask(ctx, s)
	if err != nil {
		return queryError{err}
	}
	if len(narrowed) > 0 {
		v.Narrowed = strings.Join(narrowed, ", ")
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	from := (s.page - 1) * pageRows
	if query.Plain() && key.FieldSelector == "" && len(narrowed) < 2 && from == 0 && !c.Pool.Ready(c.Client, key) {
		columns, list, total, err := rows.First(ctx, c.Client, key, pageRows)
		if err != nil {
			return err
		}
		sh := newShape(s, columns, rows.AgeColumn(columns, list), list)
		s.show(v, sh, list, c.toDelete(), 0, total, total)
		return nil
	}
	w, err := c.Pool.Open(ctx, c.Client, key, query)
	if err != nil {
		return asQuery(err)
	}
	defer w.Close()
	columns, age := w.Columns()
	list, total, all := w.Slice(from, pageRows)
	sh := newShape(s, columns, age, list)
	s.show(v, sh, list, c.toDelete(), from, total, all)
	return nil
}

func (s *listState) show(v *view.List, sh *shape, list []*rows.Row, marks jobs.Marks, from, total, all int) {
	v.Choices = choicesOf(s, sh.known)
	v.Columns, v.Narrow, v.Lines, v.Shape, v.From, v.Total, v.All = sh.columns(), sh.narrow(), sh.lines, sh.key, from, total, all
	v.Rows = make([]view.Row, len(list))
	for i, r := range list {
		v.Rows[i] = sh.row(r, marks)
		v.Rows[i].Index = from + i + 2 // the head is the first row
	}
	if from > 0 {
		v.Back = s.url("page", pageNumber(s.page-1))
	}
	if from+len(list) < total {
		v.More = s.url("page", pageNumber(s.page+1))
	}
}

func pageNumber(n int) string {
	if n <= 1 {
		return ""
	}
	return strconv.Itoa(n)
}

// queryError is something wrong with what the user typed.
type queryError struct{ error }

func isQuery(err error) bool {
	_, ok := err.(queryError) //nolint:errorlint // made here, never wrapped
	return ok
}

// Problem is an error in the user's language.
func (c *Call) Problem(err error) string {
	if q, ok := err.(queryError); ok { //nolint:errorlint // made here, never wrapped
		err = q.error
	}
	return c.Language.Error(err)
}

// asQuery tells errors of the API, which are about the request, from errors of
// the query. A field that cannot be selected is the user's to repair as well.
func asQuery(err error) error {
	if apierrors.IsBadRequest(err) {
		return queryError{err}
	}
	if _, isAPI := err.(apierrors.APIStatus); isAPI || isContext(err) { //nolint:errorlint // rows gives them as they are
		return err
	}
	return queryError{err}
}

// plural is a kind in the plural, for headings.
func plural(kind string) string {
	switch {
	case strings.HasSuffix(kind, "s") && !strings.HasSuffix(kind, "ss"):
		return kind
	case strings.HasSuffix(kind, "ss"):
		return kind + "es"
	case strings.HasSuffix(kind, "y"):
		return kind[:len(kind)-1] + "ies"
	}
	return kind + "s"
}
