package etcd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// past is what this test reads of a history.
type past struct {
	Oldest   string `json:"oldestResourceVersion"`
	Versions []struct {
		ResourceVersion, Action, Name string
		By                            *struct{ User, Verb, AuditID, SourceIP, UserAgent, Server string }
		Changes                       []any
		Time                          time.Time
	}
}

func (s *server) past(t *testing.T, path string) past {
	t.Helper()
	raw, err := s.RESTClient().Get().RequestURI(path).DoRaw(t.Context())
	if err != nil {
		t.Fatal(path, err)
	}
	var p past
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// words is the history of what the test writes in a few words.
func (p *past) words() string {
	var out []string
	for _, v := range p.Versions {
		if v.Name != "story" {
			continue // the controllers write, too
		}
		by := "somebody"
		if v.By != nil {
			by = v.By.User
		}
		out = append(out, fmt.Sprintf("%s %s by %s", v.Action, v.Name, by))
	}
	return strings.Join(out, "; ")
}

// TestPastOnEtcd lets an object live, die and live again through two servers, and
// asks for its past: on both, after a restart, and when somebody has compacted
// the cluster.
func TestPastOnEtcd(t *testing.T) {
	address := startMember(t)
	servers := startServers(t, address, 2, func(i int) string { return fmt.Sprintf("--advertise-address=192.0.2.%d", i+1) })
	ctx, one := t.Context(), servers[0]
	const maps = "/api/v1/namespaces/default/configmaps"
	write := func(s *server, value string, create bool) string {
		t.Helper()
		m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "story"}, Data: map[string]string{"x": value}}
		f := s.CoreV1().ConfigMaps("default").Update
		var got *corev1.ConfigMap
		var err error
		if create {
			got, err = s.CoreV1().ConfigMaps("default").Create(ctx, m, metav1.CreateOptions{})
		} else {
			got, err = f(ctx, m, metav1.UpdateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		return got.ResourceVersion
	}
	first := write(one, "1", true)
	write(servers[1], "2", false)
	if err := one.CoreV1().ConfigMaps("default").Delete(ctx, "story", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	last := write(one, "3", true)

	const want = "create story by kubernetes-admin; delete story by kubernetes-admin; update story by kubernetes-admin; create story by kubernetes-admin"
	for i := range servers {
		for _, path := range []string{maps + "/story?history=true", "/debug/changes?namespace=default&resource=configmaps"} {
			p := servers[i].past(t, path)
			if got := p.words(); got != want {
				t.Errorf("server %d, %s\ngot  %s\nwant %s", i, path, got, want)
			}
			for _, v := range p.Versions {
				if v.Name != "story" {
					continue
				}
				if time.Since(v.Time) > time.Hour {
					t.Errorf("%s %s was at %v", v.Action, v.Name, v.Time)
				}
				mine := (v.Action == "update") == (i == 1)
				if by := v.By; by == nil || by.Verb != v.Action || len(by.AuditID) != 36 || !strings.HasPrefix(by.SourceIP, "127.0.0.1:") || by.UserAgent == "" || (by.Server == "") != mine {
					t.Errorf("server %d: %s: %+v", i, v.Action, by)
				}
			}
		}
	}
	exact := func(s *server, version string) (*corev1.ConfigMap, error) {
		m := &corev1.ConfigMap{}
		raw, err := s.RESTClient().Get().RequestURI(maps + "/story?resourceVersionMatch=Exact&resourceVersion=" + version).DoRaw(ctx)
		if err == nil {
			err = json.Unmarshal(raw, m)
		}
		return m, err
	}
	for version, want := range map[string]string{first: "1", last: "3"} {
		if m, err := exact(servers[1], version); err != nil || m.Data["x"] != want {
			t.Errorf("at %s: %v, %v; want %s", version, m.Data, err, want)
		}
	}

	// The terminal and the dashboard of a server know what the other one did, and
	// by which the deleted object went.
	pages := make([]func(string) string, len(servers))
	for i, s := range servers {
		out, err := exec.Command(s.cmd.Path, "history", "configmaps/story", "--kubeconfig="+s.kubeconfig).CombinedOutput()
		if err != nil || strings.Count(string(out), " by kubernetes-admin (") != 4 || !strings.Contains(string(out), "deleted by kubernetes-admin") ||
			strings.Count(string(out), " through 192.0.2.") != []int{1, 3}[i] {
			t.Errorf("server %d: %v: %s", i, err, out)
		}
		pages[i] = s.browser(t)
		for _, path := range []string{"/ui/changes?ns=default&resource=configmaps&since=15m", "/ui/api/v1/namespaces/default/configmaps/story?tab=history"} {
			page := pages[i](path)
			if n := strings.Count(page, `href="/ui/requests/`); n < 4 || strings.Count(page, "kubernetes-admin") < 4 || strings.Contains(page, "somebody that nobody remembers") {
				t.Errorf("server %d: %s knows %d authors\n%.20000s", i, path, n, page)
			}
		}
	}

	// Who asks a server about a request that another one took is told which.
	var taken string
	for _, v := range one.past(t, maps+"/story?history=true").Versions {
		if v.Action == "update" {
			taken = v.By.AuditID
		}
	}
	want404 := fmt.Sprintf("request %q went through the server at 192.0.2.2:", taken)
	eventually(t, "the name of the other server", func() error {
		err := one.RESTClient().Get().RequestURI("/debug/requests/" + taken).Do(ctx).Error()
		if !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), want404) {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
	if raw, err := servers[1].RESTClient().Get().RequestURI("/debug/requests/" + taken).DoRaw(ctx); err != nil || !strings.Contains(string(raw), `"verb":"update"`) {
		t.Errorf("the server that took it: %v, %s", err, raw)
	}
	if page := pages[0]("/ui/requests/" + taken); !strings.Contains(page, "went through the server at 192.0.2.2:") {
		t.Errorf("the page of the request: %.20000s", page)
	}

	// A version is restored from the terminal.
	kubeconfig := "--kubeconfig=" + one.kubeconfig
	out, err := exec.Command(one.cmd.Path, "history", "configmaps/story", "--restore="+first, kubeconfig).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "restored") {
		t.Errorf("%v: %s", err, out)
	}
	if m, err := one.CoreV1().ConfigMaps("default").Get(ctx, "story", metav1.GetOptions{}); err != nil || m.Data["x"] != "1" {
		t.Errorf("after the restore: %v, %v", m.Data, err)
	}

	// Somebody else shortens the past: what is left is told, with where it begins.
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{address}, DialTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Get(ctx, "/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Compact(ctx, r.Header.Revision); err != nil {
		t.Fatal(err)
	}
	after := write(one, "5", false)
	p := one.past(t, maps+"/story?history=true")
	if p.words() != "update story by kubernetes-admin" || p.Versions[0].ResourceVersion != after || len(p.Versions[0].Changes) != 1 || p.Oldest != fmt.Sprint(r.Header.Revision) {
		t.Errorf("after a compaction at %d: %+v", r.Header.Revision, p)
	}
	if _, err := exact(one, first); !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
		t.Errorf("a compacted version: %v", err)
	}
	var status *apierrors.StatusError
	if _, err := exact(one, first); !errors.As(err, &status) || status.ErrStatus.Code != 410 {
		t.Errorf("a compacted version: %v", err)
	}
}
