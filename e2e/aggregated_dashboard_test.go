package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// booksInTheDashboard looks at the kinds of another server as at this one's own: in
// the navigation, as live lists, as objects, in the search and in the explorer. What
// cannot be watched is listed again and again.
func booksInTheDashboard(t *testing.T, k *kubectl) {
	cookie := session(t, k.p)
	page := func(path string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, k.p.dashboard+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", cookie)
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		body, err := io.ReadAll(a.Body)
		if err != nil || a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %v", path, a.Status, err)
		}
		return string(body)
	}
	const books, nodes = "/apis/library.example.org/v1/books", "/apis/metrics.k8s.io/v1beta1/nodes"
	k.runWith(book, "apply -f -", "emma created")
	k.has("the navigation", page("/ui/"), `href="/ui`+books, `href="/ui`+nodes)
	k.has("the list", page("/ui"+books), "emma", "474")
	k.has("the object", page("/ui/apis/library.example.org/v1/namespaces/default/books/emma"), "Emma", "474")
	k.has("its YAML", page("/ui/apis/library.example.org/v1/namespaces/default/books/emma?tab=yaml"), "subjects")
	k.has("the editor", page("/ui/apis/library.example.org/v1/namespaces/default/books/emma?edit=1"), "pages: 474")
	k.has("the search", page("/ui/search?q=emma"), "emma")
	k.has("all resources", page("/ui/resources"), "library.example.org", "NodeMetrics")
	k.has("the explorer", page("/ui/explore?q=bookspec"), "BookSpec")
	k.has("what cannot be watched", page("/ui"+nodes), "n1")

	messages := func(list, want string, change func()) {
		tab := openTab(t, k.p, cookie, "/ui"+list, 50)
		defer tab.Close()
		if err := tab.SetReadDeadline(time.Now().Add(waitTimeout)); err != nil {
			t.Fatal(err)
		}
		for first := true; ; first = false {
			_, m, err := tab.ReadMessage()
			if err != nil {
				t.Fatalf("%s: no message of %s: %v", list, want, err)
			}
			if strings.Contains(string(m), want) {
				return
			}
			if first {
				change()
			}
		}
	}
	messages(books, "501", func() { k.run(`patch book emma --type=merge -p '{"spec":{"pages":501}}'`, "patched") })
	messages(nodes, "n2", func() {
		k.runWith(`{"apiVersion":"v1","kind":"Node","metadata":{"name":"n2"}}`, "create -f -", "created")
	})
	k.run("delete node n2", "deleted")
	k.run("delete book emma", "deleted")
}
