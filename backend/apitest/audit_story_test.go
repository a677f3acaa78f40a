package apitest

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/config"
	"pilothouse/backend/metrics/metricstest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

var updateAudit = flag.Bool("update-audit", false, "write testdata/audit_session.golden anew")

// masks hide what differs from run to run.
var masks = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UID"},
	{regexp.MustCompile(`"resourceVersion":"\d+"`), `"resourceVersion":"N"`},
	{regexp.MustCompile(`kube-api-access-[a-z0-9]{5}`), "kube-api-access-SUFFIX"},
}

// TestAuditFileOfAStory compares the file of a scripted session with a golden
// one, event by event after masking.
func TestAuditFileOfAStory(t *testing.T) {
	s, path := audited(t, nil)
	boss, ann := s.As("boss"), s.As("ann")
	do := func(c *Caller, id, method, uri string, body any, code int, headers ...string) {
		t.Helper()
		c.Do(method, uri, body, append(headers, "Audit-ID", "test-"+id, "User-Agent", "story")...).Must(code)
	}
	const pods, maps = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/configmaps"
	there(t, boss, defaultAccount) // or the pod is refused, and that is told, too
	do(boss, "1-create", "POST", pods, `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}`, 201)
	do(boss, "2-exec", "POST", pods+"/p/exec?command=id&stdout=true", nil, 400)
	do(boss, "3-protobuf", "POST", maps, protobuf(t, &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Name: "proto"}, Data: map[string]string{"a": "b"},
	}), 201, "Content-Type", "application/vnd.kubernetes.protobuf", "Accept", "application/vnd.kubernetes.protobuf")
	do(boss, "4-patch", "PATCH", maps+"/proto", `{"data":{"a":"c"}}`, 200, "Content-Type", "application/merge-patch+json")
	do(boss, "5-secret", "POST", "/api/v1/namespaces/default/secrets", `{"metadata":{"name":"s"},"stringData":{"p":"hush"}}`, 201)
	do(ann, "6-forbidden", "DELETE", maps+"/proto", nil, 403)
	do(boss, "7-invalid", "POST", maps, `{"metadata":{"name":"Bad"}}`, 422)
	do(boss, "8-delete", "DELETE", maps+"/proto", nil, 200)
	s.Stop()
	_, raw := auditEvents(t, path)
	var got []string
	for line := range strings.Lines(raw) {
		if !strings.Contains(line, `"auditID":"test-`) {
			continue
		}
		var pretty map[string]any
		if err := json.Unmarshal([]byte(line), &pretty); err != nil {
			t.Fatal(err)
		}
		out, err := json.Marshal(pretty)
		if err != nil {
			t.Fatal(err)
		}
		text := string(out)
		for _, m := range masks {
			text = m.what.ReplaceAllString(text, m.with)
		}
		got = append(got, text)
	}
	golden := filepath.Join("testdata", "audit_session.golden")
	if *updateAudit {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw2, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(raw2)), "\n")
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		case i >= len(want):
			t.Errorf("too many: %s", got[i])
		case got[i] != want[i]:
			t.Errorf("event %d\ngot  %s\nwant %s", i, got[i], want[i])
		}
	}
}

// protobuf is an object in Kubernetes' envelope.
func protobuf(t *testing.T, o *corev1.ConfigMap) []byte {
	t.Helper()
	raw, err := o.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := (&runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: o.APIVersion, Kind: o.Kind}, Raw: raw}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{'k', '8', 's', 0}, wrapped...)
}

// A log on a full disk costs events and no request; blocking-strict refuses.
func TestAuditOnAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	for mode, code := range map[string]int{"blocking": 201, "batch": 201, "blocking-strict": 500} {
		s, _ := audited(t, func(o *config.Options) {
			o.Audit.Log.Path, o.Audit.Log.MaxSize, o.Audit.Log.Batch.Mode = "/dev/full", 0, mode
		})
		// Of Secrets the policy wants the first event too, the one that can stop a
		// request.
		s.As("boss").Do("POST", "/api/v1/namespaces/default/secrets", `{"metadata":{"name":"m"}}`).Must(code)
		if text := string(s.Admin().Get("/metrics").Must(200).Body); mode != "batch" && !strings.Contains(text, `apiserver_audit_error_total{plugin="log"}`) {
			t.Errorf("%s: lost events are not counted", mode)
		}
		s.Stop()
	}
}

// While the webhook is out requests go on as ever, and their events get there when
// it is back.
func TestAuditWhileTheWebhookIsOut(t *testing.T) {
	var mu sync.Mutex
	got, out := map[string]int{}, 4
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if out > 0 {
			out--
			http.Error(w, "out", http.StatusServiceUnavailable)
			return
		}
		var list auditv1.EventList
		if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
			t.Error(err)
		}
		for i := range list.Items {
			if e := &list.Items[i]; e.Stage == auditv1.StageResponseComplete {
				got[string(e.AuditID)]++
			}
		}
	}))
	defer hook.Close()
	path := filepath.Join(t.TempDir(), "webhook.kubeconfig")
	kubeconfig := "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: '" + hook.URL + "'}}]\ncontexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n"
	if err := os.WriteFile(path, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _ := audited(t, func(o *config.Options) {
		o.Audit.Webhook.ConfigFile, o.Audit.Webhook.InitialBackoff = path, 5*time.Millisecond
	})
	const n = 40
	for i := range n {
		began := time.Now()
		s.As("boss").Do("POST", "/api/v1/namespaces/default/configmaps", fmt.Sprintf(`{"metadata":{"name":"m%d"}}`, i), "Audit-ID", fmt.Sprint("test-", i)).Must(201)
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("a request waits %v for the webhook", took)
		}
	}
	s.Stop() // sends what waits
	mu.Lock()
	defer mu.Unlock()
	for i := range n {
		if got[fmt.Sprint("test-", i)] != 1 {
			t.Errorf("event %d arrived %d times", i, got[fmt.Sprint("test-", i)])
		}
	}
	if out != 0 {
		t.Error("there was no outage")
	}
}

// A stop loses no event: of every write that was answered, whoever made it, the
// next server's journal has one, also when clients and controllers are at work
// until the last moment.
func TestAStopLosesNoEvent(t *testing.T) {
	dir := t.TempDir()
	before := metricstest.Read(t)
	s := Start(t, Options{DataDir: dir})
	const maps = "/api/v1/namespaces/default/configmaps"
	var mu sync.Mutex
	answered := map[string]bool{}
	var writers sync.WaitGroup
	for i := range 8 {
		c := s.Admin()
		writers.Go(func() {
			for n := range 500 {
				name := fmt.Sprintf("w%d-%d", i, n)
				// An owner that is not there: the collector deletes it.
				body := `{"metadata":{"name":"` + name + `","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"none","uid":"none"}]}}`
				r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL()+maps, strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Content-Type", "application/json")
				p, err := c.s.admin.Do(r)
				if err != nil {
					return // the server has stopped
				}
				code := p.StatusCode
				io.Copy(io.Discard, p.Body) //nolint:errcheck // the code is all
				p.Body.Close()
				if code == 201 {
					mu.Lock()
					answered[name] = true
					mu.Unlock()
				}
			}
		})
	}
	eventually(t, func() string {
		mu.Lock()
		defer mu.Unlock()
		if n := len(answered); n < 300 {
			return fmt.Sprintf("%d writes", n)
		}
		return ""
	})
	s.Stop()
	writers.Wait()
	before.Grown(t, `apiserver_audit_error_total{plugin="journal"} 0`)

	s = Start(t, Options{DataDir: dir})
	events := s.Admin().Get("/debug/audit?verb=create&resource=configmaps&namespace=default&limit=5000").Must(200)
	var list struct{ Events []auditv1.Event }
	if err := json.Unmarshal(events.Body, &list); err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	for _, e := range list.Events {
		if e.ObjectRef != nil {
			kept[e.ObjectRef.Name] = true
		}
	}
	for name := range answered {
		if !kept[name] {
			t.Errorf("the event of %s is lost; %d of %d are there", name, len(kept), len(answered))
			return
		}
	}
}
