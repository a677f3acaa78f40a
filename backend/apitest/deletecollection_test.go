package apitest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pilothouse/backend/config"
)

// names gives the names of a list's items, in order.
func (a *Answer) names() (names []string) {
	var list struct {
		Items []struct {
			Metadata struct{ Name string } `json:"metadata"`
		} `json:"items"`
	}
	if err := json.Unmarshal(a.Body, &list); err != nil {
		a.t.Fatal(err)
	}
	for _, i := range list.Items {
		names = append(names, i.Metadata.Name)
	}
	return names
}

// What a client sees of a collection that is deleted is the same, however many
// objects of it are deleted at the same time.
func TestACollectionIsDeleted(t *testing.T) {
	for _, workers := range []int{1, 32} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			s := Start(t, Options{Change: func(o *config.Options) { o.Limits.DeleteCollectionWorkers = workers }})
			c := s.Admin()
			const path = "/api/v1/namespaces/default/pods"
			var want []string
			for i := range 60 {
				more, node := "", ""
				switch {
				case i%20 == 7:
					more = `,"finalizers":["example.com/held"]`
				case i%20 == 9:
					node = `"nodeName":"somewhere",` // it has 30 seconds
				}
				want = append(want, fmt.Sprintf("p%02d", i))
				c.Post(path, fmt.Sprintf(`{"metadata":{"name":"p%02d","labels":{"in":"it"}%s},"spec":{%s"containers":[{"name":"c","image":"i"}]}}`, i, more, node)).Must(201)
			}
			c.Post(path, `{"metadata":{"name":"other"},"spec":{"containers":[{"name":"c","image":"i"}]}}`).Must(201)
			if got := c.Do("DELETE", path+"?labelSelector=in%3Dit&dryRun=All", nil).Must(200).names(); !slices.Equal(got, want) {
				t.Errorf("a dry run answers %v", got)
			}
			if got := len(c.Get(path).Must(200).names()); got != 61 {
				t.Fatalf("a dry run left %d pods", got)
			}
			first := c.Do("DELETE", path+"?labelSelector=in%3Dit&limit=40", nil).Must(200)
			next, _ := first.Object().Object["metadata"].(map[string]any)["continue"].(string)
			second := c.Do("DELETE", path+"?labelSelector=in%3Dit&limit=40&continue="+next, nil).Must(200)
			if got := append(first.names(), second.names()...); !slices.Equal(got, want) || next == "" {
				t.Errorf("deleted %v", got)
			}
			left := c.Get(path).Must(200)
			if got := left.names(); !slices.Equal(got, []string{"other", "p07", "p09", "p27", "p29", "p47", "p49"}) {
				t.Errorf("left are %v", got)
			}
			if n := strings.Count(string(left.Body), `"deletionTimestamp"`); n != 6 {
				t.Errorf("%d are being deleted", n)
			}
			// A precondition that does not hold ends it.
			c.Do("DELETE", path, `{"preconditions":{"uid":"another"}}`).Must(409)
			c.Do("DELETE", path+"?gracePeriodSeconds=0", nil).Must(200)
			if got := c.Get(path).Must(200).names(); !slices.Equal(got, []string{"p07", "p27", "p47"}) {
				t.Errorf("without grace, left are %v", got)
			}
		})
	}
}

// A namespace that is deleted loses its pods first, and what they may use only
// when they are gone.
func TestANamespaceLosesItsPodsFirst(t *testing.T) {
	c := Start(t).Admin()
	const space = "/api/v1/namespaces/ordered"
	c.Post("/api/v1/namespaces", `{"metadata":{"name":"ordered"}}`).Must(201)
	const held = `"finalizers":["example.com/held"]`
	c.Post(space+"/configmaps", `{"metadata":{"name":"m",`+held+`}}`).Must(201)
	c.Post(space+"/pods", `{"metadata":{"name":"p",`+held+`},"spec":{"containers":[{"name":"c","image":"i"}]}}`).Must(201)
	c.Delete(space).Must(200)
	const told = "Some resources are remaining: pods. has 1 resource instances"
	eventually(t, func() string {
		if text := string(c.Get(space).Must(200).Body); !strings.Contains(text, told) {
			return text
		}
		return ""
	})
	deleting := func(path string) bool {
		return strings.Contains(string(c.Get(path).Must(200).Body), `"deletionTimestamp"`)
	}
	if !deleting(space+"/pods/p") || deleting(space+"/configmaps/m") {
		t.Errorf("the pod is being deleted: %v, its config map: %v", deleting(space+"/pods/p"), deleting(space+"/configmaps/m"))
	}
	const free = `{"metadata":{"finalizers":null}}`
	c.Patch(space+"/pods/p", free).Must(200)
	eventually(t, func() string {
		if !deleting(space + "/configmaps/m") {
			return "the config map stays"
		}
		return ""
	})
	c.Patch(space+"/configmaps/m", free).Must(200)
	eventually(t, func() string {
		if code := c.Get(space).Code; code != 404 {
			return fmt.Sprint(code)
		}
		return ""
	})
}
