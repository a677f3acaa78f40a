package apitest_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"pilothouse/backend"
	"pilothouse/backend/apitest"
	"pilothouse/backend/config"
	verbs "pilothouse/backend/endpoints"
	"pilothouse/backend/life"
)

const maps = "/api/v1/namespaces/default/configmaps"

func history(c *apitest.Caller, path string) verbs.History {
	var h verbs.History
	c.Get(path).Must(200).Into(&h)
	return h
}

// tells is a history in a few words.
func tells(h verbs.History) string {
	var out []string
	for _, v := range h.Versions {
		text := v.Action + " " + v.Name
		if v.By != nil {
			text += " by " + v.By.User
		}
		for _, c := range v.Changes {
			text += " " + c.String()
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func TestPastOfAnObject(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "ann", Groups: []string{"system:masters"}}, {Name: "eve"}}})
	c, ann := s.Admin(), s.As("ann")
	awaits(t, "200", codeOf(c, maps+"/kube-root-ca.crt")) // the last of what the start brings here
	first := c.Post(maps, `{"metadata":{"name":"a"},"data":{"x":"1"}}`).Must(201).Object().GetResourceVersion()
	ann.Patch(maps+"/a", `{"data":{"x":"100"}}`).Must(200)
	c.Post(maps, `{"metadata":{"name":"b"}}`).Must(201)
	ann.Delete(maps + "/a").Must(200)
	h := history(c, maps+"/a?history=true&objects=true")
	if got, want := tells(h), `delete a by ann; update a by ann ~ data.x: "1" -> "100"; create a by kubernetes-admin`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(h.Versions) != 3 || h.Versions[1].By == nil {
		t.Fatalf("%+v", h.Versions)
	}
	if v := h.Versions[1]; v.By.AuditID == "" || v.By.Verb != "patch" || v.By.From == "" || time.Since(v.Time) > time.Hour || !strings.Contains(string(v.Object), `"x":"100"`) {
		t.Errorf("%+v", v)
	}
	if v := h.Versions[0]; !strings.Contains(string(v.Object), `"x":"100"`) {
		t.Errorf("the deleted object is not told: %s", v.Object)
	}
	// As it was.
	c.Get(maps + "/a").Must(404)
	c.Get(maps + "/a?resourceVersion=" + h.Versions[0].ResourceVersion + "&resourceVersionMatch=Exact").Must(404)
	for i, want := range map[int]string{1: "100", 2: "1"} {
		o := c.Get(maps + "/a?resourceVersion=" + h.Versions[i].ResourceVersion + "&resourceVersionMatch=Exact").Must(200)
		if !strings.Contains(string(o.Body), `"x":"`+want+`"`) {
			t.Errorf("at %s: %s", h.Versions[i].ResourceVersion, o.Body)
		}
	}
	c.Get(maps + "/a?resourceVersion=1&resourceVersionMatch=Exact").Must(410)
	c.Get(maps + "/a?resourceVersion=999999&resourceVersionMatch=Exact").Must(504)
	c.Get(maps + "/b?resourceVersion=" + first).Must(200) // at least as new, as ever
	// Of all of them.
	if got := tells(history(c, maps+"?history=true&limit=2")); got != "delete a by ann; create b by kubernetes-admin" {
		t.Error(got)
	}
	c.Get(maps + "?history=true&since=yesterday").Must(400)
	c.Get(maps + "?history=true&limit=0").Must(400)
	s.As("eve").Get(maps + "/a?history=true").Must(403)
}

// Who may read an object may see its past, but not from where others came.
func TestPastForOthers(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Users: []apitest.User{{Name: "eve"}}})
	c := s.Admin()
	const rbac = "/apis/rbac.authorization.k8s.io/v1/"
	c.Post(rbac+"namespaces/default/roles", `{"metadata":{"name":"maps"},"rules":[{"verbs":["get","list"],"apiGroups":[""],"resources":["configmaps"]}]}`).Must(201)
	c.Post(rbac+"namespaces/default/rolebindings", `{"metadata":{"name":"eve"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"maps"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"eve"}]}`).Must(201)
	c.Post(maps, `{"metadata":{"name":"a"}}`).Must(201)
	c.Post("/api/v1/namespaces/default/secrets", `{"metadata":{"name":"s"}}`).Must(201)
	h := history(s.As("eve"), maps+"/a?history=true")
	if len(h.Versions) != 1 || h.Versions[0].By == nil {
		t.Fatalf("%+v", h.Versions)
	}
	if by := h.Versions[0].By; by.User != "kubernetes-admin" || by.From != "" || by.Agent != "" {
		t.Errorf("%+v", by)
	}
	changes := tells(history(s.As("eve"), "/debug/changes?namespace=default"))
	if !strings.Contains(changes, "create a") || strings.Contains(changes, "create s") {
		t.Error(changes)
	}
	if all := tells(history(c, "/debug/changes?namespace=default")); !strings.Contains(all, "create s by kubernetes-admin") {
		t.Error(all)
	}
	if one := tells(history(c, "/debug/changes?namespace=default&resource=secrets")); one != "create s by kubernetes-admin" {
		t.Error(one)
	}
	s.Anonymous().Get("/debug/changes?namespace=default").Must(403)
	if h := history(s.As("eve"), "/debug/changes"); len(h.Versions) != 0 {
		t.Error(tells(h))
	}
	if h := history(c, "/debug/changes?namespace=default&until="+url.QueryEscape(time.Now().Add(-time.Hour).Format(time.RFC3339))); len(h.Versions) != 0 {
		t.Error(tells(h))
	}
}

// The past, and who made it, are there after a restart.
func TestPastAfterARestart(t *testing.T) {
	s := apitest.Start(t)
	c := s.Admin()
	rv := c.Post(maps, `{"metadata":{"name":"a"},"data":{"x":"1"}}`).Must(201).Object().GetResourceVersion()
	c.Patch(maps+"/a", `{"data":{"x":"2"}}`).Must(200)
	s.Stop()
	s = apitest.Start(t, apitest.Options{DataDir: s.DataDir()})
	c = s.Admin()
	if got, want := tells(history(c, maps+"/a?history=true")), `update a by kubernetes-admin ~ data.x: "1" -> "2"; create a by kubernetes-admin`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	c.Get(maps + "/a?resourceVersionMatch=Exact&resourceVersion=" + rv).Must(200)
	var events backend.AuditList
	c.Get("/debug/audit?name=a&resource=configmaps&namespace=default").Must(200).Into(&events)
	if len(events.Events) != 2 || events.Events[0].Verb != "patch" || events.Events[1].Verb != "create" {
		t.Errorf("%+v", events.Events)
	}
	c.Get("/debug/audit?limit=x").Must(400)
}

func TestPastIsOff(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Change: func(o *config.Options) {
		o.Storage.HistoryRetention, o.Features.RequestsKept, o.Audit.Journal.On = 0, 0, false
	}})
	c := s.Admin()
	c.Post(maps, `{"metadata":{"name":"a"}}`).Must(201)
	if o := c.Get(maps + "/a?history=true").Must(200).Object(); o.GetKind() != "ConfigMap" {
		t.Error(o.GetKind())
	}
	for _, path := range []string{"/debug/changes", "/debug/audit", life.Path} {
		c.Get(path).Must(404)
	}
}

// Many writes of many objects: the limit keeps the newest.
func TestPastIsBounded(t *testing.T) {
	c := apitest.Start(t).Admin()
	awaits(t, "200", codeOf(c, maps+"/kube-root-ca.crt")) // the last of what the start brings here
	for i := range 40 {
		c.Post(maps, fmt.Sprintf(`{"metadata":{"name":"m%d"}}`, i)).Must(201)
	}
	h := history(c, maps+"?history=true&limit=3")
	if got := tells(h); !strings.HasPrefix(got, "create m39 ") || len(h.Versions) != 3 || !h.More {
		t.Error(got, h.More)
	}
}
