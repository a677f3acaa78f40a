package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// figure notes what was measured beside the goal. With FIGURES in the
// environment the goal has to be reached; without, on a machine that may have
// other work, only a bound that tells that something is broken.
func figure(t *testing.T, what string, got, goal, bound time.Duration) {
	t.Helper()
	t.Logf("%s: %v (goal %v)", what, got.Round(10*time.Microsecond), goal)
	if os.Getenv("FIGURES") != "" {
		bound = goal
	}
	if got > bound {
		t.Errorf("%s takes %v, more than %v", what, got, bound)
	}
}

// resident is a process's memory in MiB.
func resident(t *testing.T, p *process) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Skip("only Linux tells")
	}
	kib, err := strconv.Atoi(string(regexp.MustCompile(`VmRSS:\s+(\d+)`).FindSubmatch(status)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib / 1024
}

// api makes requests without a client's doings.
type api struct {
	t   *testing.T
	p   *process
	web *http.Client
}

func newAPI(t *testing.T, p *process) *api {
	return &api{t, p, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}} //nolint:gosec // the server of this test
}

func (a *api) do(method, path, body, accept string) (int, []byte) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, a.p.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer token-admin")
	req.Header.Set("Content-Type", "application/yaml")
	req.Header.Set("Accept", accept)
	if strings.HasPrefix(path, "/openapi/") {
		req.Header.Set("Accept-Encoding", "gzip") // as it is: this is about the server's time
	}
	resp, err := a.web.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, raw
}

const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

// quickest is the least time of some tries.
func quickest(tries int, f func()) time.Duration {
	best := time.Hour
	for range tries {
		began := time.Now()
		f()
		best = min(best, time.Since(began))
	}
	return best
}

// TestAThousandDefinitions measures what many definitions cost.
func TestAThousandDefinitions(t *testing.T) {
	many := 200 // as many as take a moment
	if os.Getenv("FIGURES") != "" {
		many = 1000
	}
	dir := t.TempDir()
	p := start(t, dir)
	plain := resident(t, p)
	p.terminate(t)
	p = start(t, dir)
	a := newAPI(t, p)
	plain = min(plain, resident(t, p))

	schema := strings.Builder{}
	for i := range 40 {
		fmt.Fprintf(&schema, "                field%d: {type: object, description: What is said about the field of this number, properties: {name: {type: string, maxLength: 63}, size: {type: integer, minimum: 1}, tags: {type: array, items: {type: string}}}}\n", i)
	}
	definition := func(i int) string {
		return fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things%[1]d.group%[2]d.example}
spec:
  group: group%[2]d.example
  scope: Namespaced
  names: {plural: things%[1]d, singular: thing%[1]d, kind: Thing%[1]d}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              x-kubernetes-validations: [{rule: "!has(self.field1) || !has(self.field1.size) || self.field1.size < 100"}]
              properties:
%[3]s
`, i, i/10, schema.String())
	}
	began := time.Now()
	var wg sync.WaitGroup
	next := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range next {
				if code, body := a.do("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(i), "application/json"); code != 201 {
					t.Errorf("%d %s", code, body)
				}
			}
		})
	}
	for i := 0; i < many && !t.Failed(); i++ {
		next <- i
	}
	close(next)
	wg.Wait()
	if t.Failed() {
		return
	}
	path := func(i int) string {
		return fmt.Sprintf("/apis/group%d.example/v1/namespaces/default/things%d", i/10, i)
	}
	for i := range many {
		eventually(t, path(i), func() bool { code, _ := a.do("GET", path(i), "", "application/json"); return code == 200 })
	}
	figure(t, fmt.Sprint(many, " definitions made and served"), time.Since(began), 30*time.Second, 10*time.Minute)

	// One more is served soon after it is acknowledged.
	i := many
	figure(t, "one more is served after its acknowledgement", quickest(5, func() {
		if code, body := a.do("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(i), "application/json"); code != 201 {
			t.Fatalf("%d %s", code, body)
		}
		acknowledged := time.Now()
		for code := 0; code != 200; code, _ = a.do("GET", path(i), "", "application/json") {
			if time.Since(acknowledged) > waitTimeout {
				t.Fatal("it is not served")
			}
		}
		t.Logf("after %v", time.Since(acknowledged))
		i++
	}), 50*time.Millisecond, 10*time.Second)

	p.terminate(t)
	began = time.Now()
	p = start(t, dir)
	figure(t, fmt.Sprint("start with ", many, " definitions"), time.Since(began), 2*time.Second, startTimeout)
	a.p = p
	t.Logf("resident: %d MiB, without definitions %d MiB", resident(t, p), plain)
	bound := 600
	if os.Getenv("FIGURES") != "" {
		bound = 150
	}
	if more := resident(t, p) - plain; more > bound {
		t.Errorf("%d MiB more", more)
	}
	for _, c := range []struct{ what, path, accept string }{
		{"aggregated discovery", "/apis", aggregated},
		{"a group's discovery", "/apis/group7.example/v1", "application/json"},
		{"the index of OpenAPI v3", "/openapi/v3", "application/json"},
		{"a group's OpenAPI v3", "/openapi/v3/apis/group7.example/v1", "application/json"},
		{"OpenAPI v2", "/openapi/v2", "application/json"},
	} {
		get := func() {
			if code, body := a.do("GET", c.path, "", c.accept); code != 200 {
				t.Fatalf("%s: %d %s", c.path, code, body)
			}
		}
		began := time.Now()
		get()
		t.Logf("%s for the first time: %v", c.what, time.Since(began))
		figure(t, c.what, quickest(5, get), 10*time.Millisecond, 5*time.Second)
	}
	oneMore := fmt.Sprintf("/apis/group%d.example/v1/namespaces/{namespace}/things%d", i/10, i)
	if code, body := a.do("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(i), "application/json"); code != 201 {
		t.Fatalf("%d %s", code, body)
	}
	eventually(t, path(i), func() bool { code, _ := a.do("GET", path(i), "", "application/json"); return code == 200 })
	began = time.Now()
	_, v2 := a.do("GET", "/openapi/v2", "", "application/json")
	t.Logf("OpenAPI v2 after one more definition: %v, %d KiB compressed", time.Since(began), len(v2)/1024)
	if r, err := gzip.NewReader(bytes.NewReader(v2)); err != nil {
		t.Error(err)
	} else if plain, err := io.ReadAll(r); err != nil || !json.Valid(plain) || !bytes.Contains(plain, []byte(oneMore)) {
		t.Errorf("OpenAPI v2 lacks the new definition, or is not valid: %v", err)
	}
	t.Logf("resident after that: %d MiB", resident(t, p))
	if code, body := a.do("POST", path(7), "apiVersion: group0.example/v1\nkind: Thing7\nmetadata: {name: a}\nspec: {field1: {size: 100}}\n", "application/json"); code != 422 {
		t.Errorf("what breaks a rule: %d %s", code, body)
	}
}
