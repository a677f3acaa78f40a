package pages

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/request"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/apidoc"
	"pilothouse/web/rows"
	"pilothouse/web/view"

	"sigs.k8s.io/yaml"
)

const (
	// maxShown is how much of an answer a page shows.
	maxShown = 256 << 10
	// maxFirst is how much of it there is at first where a script loads the rest.
	maxFirst = 16 << 10
	// maxChoices is how many names are offered for a parameter.
	maxChoices = 200
)

// exploreOp is the page of one operation.
func exploreOp(ctx context.Context, c *Call) (*Answer, error) {
	v, _, err := c.operation(ctx, c.Query)
	if err != nil {
		return nil, err
	}
	return c.operationAnswer(v, http.StatusOK), nil
}

func (c *Call) operationAnswer(v *view.OperationPage, status int) *Answer {
	return &Answer{
		Status: status, Title: v.Method + " " + v.Path, Body: tmpl.Operation(*v),
		Crumbs: []view.Link{{Text: c.T("API explorer"), Href: "/ui/explore"}, {Text: v.Method + " " + v.Path, Data: true}},
	}
}

// operation gives the page of the operation that parameters name.
func (c *Call) operation(ctx context.Context, q url.Values) (*view.OperationPage, *apidoc.Operation, error) {
	d, err := c.Docs.Document(ctx, c.Client, q.Get("gv"))
	if err != nil {
		return nil, nil, err
	}
	if d == nil {
		return nil, nil, notServed(q.Get("path"))
	}
	o := d.Operation(q.Get("method"), q.Get("path"))
	if o == nil {
		return nil, nil, notServed(q.Get("path"))
	}
	v := &view.OperationPage{Method: o.Method, Path: o.Path, ID: o.ID, Description: o.Description, Action: o.Action, Kind: o.GVK.Kind, GroupVersion: d.Path}
	if d.Kind(o.GVK.Kind) != nil {
		v.KindHref = kindPage(d.Path, o.GVK.Kind, "")
	}
	for _, p := range o.Parameters {
		v.Parameters = append(v.Parameters, c.parameter(ctx, p, q))
	}
	sort.SliceStable(v.Parameters, func(i, j int) bool { return parameterRank(&v.Parameters[i]) < parameterRank(&v.Parameters[j]) })
	if o.Body != nil {
		v.Body, v.BodyHref = d.TypeOf(o.Body), schemaHref(d, o.Body)
	}
	for _, r := range o.Responses {
		answer := view.OperationResponse{Code: r.Code, Description: r.Description}
		if r.Schema != nil {
			answer.Type, answer.Href = d.TypeOf(r.Schema), schemaHref(d, r.Schema)
		}
		v.Responses = append(v.Responses, answer)
	}
	c.tryForm(o, q, v)
	for i := range v.Parameters {
		p := &v.Parameters[i]
		if p.Name != "name" || p.In != "path" {
			continue
		}
		if key, ok := c.namesOf(d, o, given(v.Parameters, "namespace")); ok {
			p.Choices, p.Live = c.names(ctx, key), true
		}
	}
	return v, o, nil
}

func schemaHref(d *apidoc.Document, s *apidoc.Schema) string {
	if name := strings.TrimPrefix(s.Ref, "#/components/schemas/"); name != "" && d.Schemas[name] != nil {
		return join("/ui/explore/kind", url.Values{"gv": {d.Path}, "name": {name}})
	}
	return ""
}

// parameter is a parameter with its value so far, and for namespaces the names
// that there are.
func (c *Call) parameter(ctx context.Context, p apidoc.Parameter, q url.Values) view.OperationParameter {
	v := view.OperationParameter{Name: p.Name, In: p.In, Type: p.Type, Required: p.Required, Value: q.Get("p." + p.Name), Choices: knownValues[p.Name]}
	v.Description = firstSentence(p.Description)
	v.More = strings.TrimSpace(strings.TrimPrefix(p.Description, v.Description))
	if v.Choices == nil && p.Type == "boolean" {
		v.Choices = []string{"true", "false"}
	}
	if p.Name == "namespace" && p.In == "path" {
		v.Choices, _ = c.NamespaceNames(ctx) // without the right the names are not offered
		if v.Value == "" {
			v.Value = "default"
		}
	}
	return v
}

// knownValues are what parameters of the API may be, where that is a list.
var knownValues = map[string][]string{
	"dryRun": {"All"}, "fieldValidation": {"Strict", "Warn", "Ignore"},
	"propagationPolicy": {"Background", "Foreground", "Orphan"}, "resourceVersionMatch": {"Exact", "NotOlderThan"},
}

// parameterRank puts what is in the path first, then what people use.
func parameterRank(p *view.OperationParameter) int {
	switch {
	case p.In == "path" && p.Name == "namespace":
		return -2
	case p.In == "path":
		return -1
	}
	used := []string{"labelSelector", "fieldSelector", "limit", "watch", "resourceVersion", "dryRun", "fieldManager", "fieldValidation", "force", "propagationPolicy"}
	if i := slices.Index(used, p.Name); i >= 0 {
		return i
	}
	return len(used)
}

// given is the value of a parameter, empty when there is no such one.
func given(list []view.OperationParameter, name string) string {
	for _, p := range list {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// tryForm fills the form in that makes a request.
func (c *Call) tryForm(o *apidoc.Operation, q url.Values, v *view.OperationPage) {
	t := &v.Try
	t.FormToken, t.Accept, t.Type, t.Body = c.FormToken(), q.Get("accept"), q.Get("type"), unix(q.Get("body"))
	t.Mutating = o.Method != http.MethodGet && o.Method != http.MethodHead
	t.HasBody = o.Method == http.MethodPost || o.Method == http.MethodPut || o.Method == http.MethodPatch || o.Method == http.MethodDelete
	if t.Accept == "" {
		t.Accept = "application/json"
	}
	t.Types = []string{"application/yaml", "application/json"}
	if o.Method == http.MethodPatch {
		t.Types = []string{"application/merge-patch+json", "application/strategic-merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml"}
	}
	if !slices.Contains(t.Types, t.Type) {
		t.Type = t.Types[0]
	}
	e, ok := c.Types().ForKind(o.GVK)
	if ok {
		v.Level, v.Meaning = stability(e.GVR().Version)
		v.Deprecated = e.Version.Deprecated
	}
	if ok && o.Method == http.MethodPost && t.Body == "" && o.Action == "post" {
		t.Body = skeleton(address{entry: e, gvr: e.GVR()}, "default")
	}
	_, t.CanWatch = c.watchable(v.GroupVersion, o)
}

// names are the names of the objects of a list, if someone looks at it anyway.
func (c *Call) names(ctx context.Context, key rows.Key) []string {
	if !c.Pool.Ready(c.Client, key) {
		_, list, _, err := rows.First(ctx, c.Client, key, maxChoices)
		if err != nil {
			return nil
		}
		return rowNames(list)
	}
	view, err := c.Pool.Open(ctx, c.Client, key, rows.Query{})
	if err != nil {
		return nil
	}
	defer view.Close()
	list, _, _ := view.Slice(0, maxChoices)
	return rowNames(list)
}

func rowNames(list []*rows.Row) []string {
	var names []string
	for _, r := range list {
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	return names
}

// try makes a request as the user and shows all that there is to know of it.
func try(ctx context.Context, c *Call) (*Answer, error) {
	v, o, err := c.operation(ctx, c.Form)
	if err != nil {
		return nil, err
	}
	call, err := c.tryCall(o, v)
	switch {
	case err != nil:
	case c.wantsWatch(o, call.Query):
		v.Try.Feed, err = c.tryWatch(o, v, call)
	default:
		v.Try.Result, err = c.send(ctx, call)
	}
	if err != nil {
		f, ok := c.Fault(err)
		if !ok {
			return nil, err
		}
		v.Try.Fault = f
	}
	return c.operationAnswer(v, http.StatusOK), nil
}

// tryCall makes the request of the form.
func (c *Call) tryCall(o *apidoc.Operation, v *view.OperationPage) (client.Call, error) {
	call := client.Call{Method: o.Method, Path: o.Path, Query: url.Values{}, Accept: v.Try.Accept}
	for _, p := range v.Parameters {
		switch {
		case p.In == "path":
			if p.Value == "" || strings.Contains(p.Value, "/") && p.Name != "path" {
				return call, badRequest("The parameter %s needs a value without a slash.", p.Name)
			}
			call.Path = strings.ReplaceAll(call.Path, "{"+p.Name+"}", p.Value)
		case p.In == "query" && p.Value != "":
			call.Query.Set(p.Name, p.Value)
		}
	}
	if v.Try.Mutating && c.Form.Get("act") != "send" {
		call.Query.Set("dryRun", "All")
	}
	if body := strings.TrimSpace(v.Try.Body); v.Try.HasBody && body != "" {
		call.Body, call.ContentType = []byte(v.Try.Body), v.Try.Type
		if strings.HasSuffix(v.Try.Type, "json") {
			raw, err := yaml.YAMLToJSON([]byte(v.Try.Body))
			if err != nil {
				return call, badText(err)
			}
			call.Body = raw
		}
	}
	return call, nil
}

// send makes the request.
func (c *Call) send(ctx context.Context, call client.Call) (*view.TryResult, error) {
	info := request.ParseInfo(call.Method, call.Path, false, "")
	if info.LongRunning() && info.Subresource != "log" && info.Subresource != "proxy" {
		return nil, badRequest("This opens a stream, which a page like this cannot show.")
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	began := c.Clock()
	resp, err := c.Client.Exchange(ctx, call)
	if err != nil {
		return nil, err
	}
	r := &view.TryResult{
		Request: strings.TrimSuffix(call.Method+" "+call.Path+"?"+call.Query.Encode(), "?"), As: c.User().Name, Curl: c.curl(call), Kubectl: kubectlRaw(call),
		Status: fmt.Sprintf("%d %s", resp.Status, http.StatusText(resp.Status)), Tone: view.Good,
		Took: c.Clock().Sub(began).Round(10 * time.Microsecond).String(), Warnings: warnings(resp),
	}
	if resp.Status >= 400 {
		r.Tone = view.Bad
	}
	for _, h := range append([]request.HeaderLine{{Name: "Content-Type", Value: resp.ContentType}}, resp.Header...) {
		switch h.Name {
		case "Audit-Id":
			r.AuditID = h.Value
		case "Warning":
		default:
			r.Headers = append(r.Headers, view.Param{Name: h.Name, Value: h.Value})
		}
	}
	c.show(r, call, resp)
	return r, nil
}

// show fills in the answer's body as far as a page shows it. A script that asked
// loads what is more by itself.
func (c *Call) show(r *view.TryResult, call client.Call, resp *request.Response) {
	body := indented(resp.ContentType, resp.Body)
	if len(body) > maxShown {
		most := maxShown
		r.Whole = c.keepAnswer(resp)
		switch {
		case r.Whole != "":
			r.Download = r.Whole + "?download=1"
		case call.Method == http.MethodGet:
			r.Download = join(answersPath+"again", url.Values{"path": {call.Path}, "query": {call.Query.Encode()}, "accept": {call.Accept}})
		}
		if r.Whole != "" && c.R.Header.Get("X-Pilothouse") != "" {
			most = maxFirst
		}
		r.Cut = c.T("The answer has %d bytes; its first %d are shown.", len(body), most)
		body = body[:most]
	}
	r.Lines = bodyLines(body)
}

func bodyLines(body []byte) (lines []view.Line) {
	for i, l := range strings.Split(strings.ToValidUTF8(strings.TrimSuffix(string(body), "\n"), "�"), "\n") {
		lines = append(lines, view.Line{Number: i + 1, Parts: []view.Part{{Text: l}}})
	}
	return lines
}

// curl is the request for curl, without the credential.
func (c *Call) curl(call client.Call) string {
	u := (&url.URL{Path: call.Path, RawQuery: call.Query.Encode()}).String()
	words := []string{"curl", "-H", `"Authorization: Bearer $TOKEN"`}
	if call.Query.Get("watch") != "" {
		words = slices.Insert(words, 1, "-N") // each event as it comes
	}
	if call.Method != http.MethodGet {
		words = append(words, "-X", call.Method)
	}
	if call.Accept != "" && call.Accept != "application/json" {
		words = append(words, "-H", shellQuote("Accept: "+call.Accept))
	}
	for _, name := range sortedKeys(call.Header) {
		words = append(words, "-H", shellQuote(name+": "+call.Header.Get(name)))
	}
	if call.Body != nil {
		words = append(words, "-H", shellQuote("Content-Type: "+call.ContentType), "--data-binary", shellQuote(string(call.Body)))
	}
	return strings.Join(append(words, shellQuote(c.Origin+u)), " ")
}

// kubectlRaw is the request for kubectl: raw where it has a command for the
// method, and for a patch the command that sends it.
func kubectlRaw(call client.Call) string {
	u := shellQuote((&url.URL{Path: call.Path, RawQuery: call.Query.Encode()}).String())
	switch call.Method {
	case http.MethodGet:
		return "kubectl get --raw " + u
	case http.MethodDelete:
		return "kubectl delete --raw " + u
	case http.MethodPost:
		return "kubectl create --raw " + u + " -f -"
	case http.MethodPut:
		return "kubectl replace --raw " + u + " -f -"
	case http.MethodPatch:
		return kubectlPatch(call)
	}
	return ""
}

// kubectlPatch is a patch for kubectl; empty where it has no command for it.
func kubectlPatch(call client.Call) string {
	info := request.ParseInfo(call.Method, call.Path, false, "")
	if !info.IsResource || info.Name == "" {
		return ""
	}
	words := []string{"kubectl", "patch", strings.TrimSuffix(info.Resource+"."+info.Version+"."+info.Group, "."), shellQuote(info.Name)}
	kind := map[string]string{"application/merge-patch+json": "merge", "application/strategic-merge-patch+json": "strategic", "application/json-patch+json": "json"}[call.ContentType]
	if call.ContentType == "application/apply-patch+yaml" {
		words = []string{"kubectl", "apply", "--server-side", "-f", "-"}
		if m := call.Query.Get("fieldManager"); m != "" {
			words = append(words, "--field-manager="+shellQuote(m))
		}
		if call.Query.Get("force") == "true" {
			words = append(words, "--force-conflicts")
		}
	}
	if info.Namespace != "" && info.Resource != "namespaces" {
		words = append(words, "-n", shellQuote(info.Namespace))
	}
	if info.Subresource != "" {
		words = append(words, "--subresource="+info.Subresource)
	}
	if kind != "" {
		words = append(words, "--type="+kind, "-p", shellQuote(string(call.Body)))
	}
	if call.Query.Get("dryRun") != "" {
		words = append(words, "--dry-run=server")
	}
	return strings.Join(words, " ")
}
