package e2e

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// extension is an API server behind the one under test, as a process.
type extension struct {
	*exec.Cmd
	port   string
	ca     []byte // what its certificate is from
	output output
	ended  chan struct{}
}

// extensionSetup are the objects that such a server needs: an account that may
// ask who callers are and what they may do, and a Service that leads to it.
const extensionSetup = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: library, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: library:delegator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:auth-delegator}
subjects: [{kind: ServiceAccount, name: library, namespace: kube-system}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: library, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: extension-apiserver-authentication-reader}
subjects: [{kind: ServiceAccount, name: library, namespace: kube-system}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "library:reader"}
rules: [{apiGroups: [""], resources: [nodes, pods], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "library:reader"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "library:reader"}
subjects: [{kind: ServiceAccount, name: library, namespace: kube-system}]
---
apiVersion: v1
kind: Service
metadata: {name: library, namespace: kube-system}
spec: {type: ExternalName, externalName: localhost}
`

// extend starts the sample server and registers its two groups.
func extend(t *testing.T, k *kubectl) *extension {
	t.Helper()
	k.runWith(extensionSetup, "apply -f -", "serviceaccount/library created")
	token := strings.TrimSpace(k.run("create token library -n kube-system"))
	x := startExtension(t, k.p, token)
	for group, priority := range map[string]string{"v1.library.example.org": "15", "v1beta1.metrics.k8s.io": "100"} {
		version, name, _ := strings.Cut(group, ".")
		k.runWith(fmt.Sprintf("apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: %s}\nspec: {group: %s, version: %s, groupPriorityMinimum: 200, versionPriority: %s, caBundle: %s, service: {namespace: kube-system, name: library, port: %s}}\n",
			group, name, version, priority, base64.StdEncoding.EncodeToString(x.ca), x.port), "apply -f -", "created")
		k.run("wait --for=condition=Available --timeout=150s apiservice/"+group, "condition met")
	}
	return x
}

func startExtension(t *testing.T, p *process, token string) *extension {
	t.Helper()
	dir := t.TempDir()
	kubeconfig := p.kubeconfigWith(t, fmt.Sprintf("{token: %q}", token))
	x := &extension{ended: make(chan struct{})}
	x.Cmd = exec.Command(module(t, "aggregated", "."), "--kubeconfig="+kubeconfig, "--cert-dir="+dir, "--service=library.kube-system.svc")
	x.Stderr = &x.output
	out, err := x.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		defer close(x.ended)
		io.Copy(io.Discard, out) //nolint:errcheck // it has nothing more to say
		x.Wait()                 //nolint:errcheck // it is killed
	}()
	if err != nil {
		t.Fatalf("the sample server does not start: %v %s", err, x.output.b.String())
	}
	x.port = strings.TrimSpace(line[strings.LastIndex(line, ":")+1:])
	if x.ca, err = os.ReadFile(filepath.Join(dir, "apiserver.crt")); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *extension) stop() {
	x.Process.Kill() //nolint:errcheck // it may be gone
	<-x.ended
}

const book = `
apiVersion: library.example.org/v1
kind: Book
metadata: {name: emma, labels: {shelf: a}}
spec: {title: Emma, pages: 474, subjects: [love, money]}
`

// TestAServerBuiltOnUpstreamsLibrary works with the kinds of another server
// through this one.
func TestAServerBuiltOnUpstreamsLibrary(t *testing.T) {
	k := newKubectl(t, start(t, t.TempDir()))
	x := extend(t, k)
	k.run("get apiservices v1.library.example.org v1beta1.metrics.k8s.io", "v1.library.example.org kube-system/library True", "v1beta1.metrics.k8s.io kube-system/library True")

	t.Run("kubectl", func(t *testing.T) { booksByKubectl(t, k.with(t)) })
	t.Run("metrics", func(t *testing.T) { metricsByKubectl(t, k.with(t)) })
	t.Run("dashboard", func(t *testing.T) { booksInTheDashboard(t, k.with(t)) })
	t.Run("identity", func(t *testing.T) { whoAsksTheExtension(t, k.with(t), x) })
	t.Run("garbage", func(t *testing.T) { garbageAcrossServers(t, k.with(t)) })
	t.Run("namespace", func(t *testing.T) {
		k := k.with(t)
		k.run("create ns reading")
		k.runWith(book, "create -n reading -f -", "created")
		k.run("delete ns reading --timeout=150s", "deleted")
		k.run("get books -A", "No resources found")
	})
	t.Run("away", func(t *testing.T) {
		k := k.with(t)
		x.stop()
		eventually(t, "the condition of a server that is away", func() bool {
			k.try("", "get", "books") // what fails makes it be looked at
			out, _, _ := k.try("", "get", "apiservice", "v1.library.example.org")
			return strings.Contains(out, "False (FailedDiscoveryCheck)")
		})
		k.fails(1, "get --raw /apis/library.example.org/v1/books", "the server is currently unable to handle the request")
		k.run("get cm kube-root-ca.crt", "kube-root-ca.crt")
		k.run("get --raw /readyz", "ok")
	})
}

func booksByKubectl(t *testing.T, k *kubectl) {
	// Discovery and OpenAPI are merged.
	k.run("api-resources --api-group=library.example.org", "books bk library.example.org/v1 true Book")
	k.run("explain book.spec.subjects", "GROUP: library.example.org", "FIELD: subjects <[]string>", "what it is about")
	eventually(t, "the v2 document", func() bool {
		return strings.Contains(k.run("get --raw /openapi/v2"), "/apis/library.example.org/v1/namespaces/{namespace}/books")
	})

	seen, _ := k.background(t, "get books --watch --output-watch-events")
	k.runWith(book, "apply -f -", "book.library.example.org/emma created")
	k.runWith(book, "apply -f -", "book.library.example.org/emma unchanged")
	k.run("get bk", "NAME TITLE PAGES LENT TO", "emma Emma 474")
	k.run("get all", "book.library.example.org/emma Emma")
	eventually(t, "ADDED", func() bool { return seen.has("ADDED emma Emma 474") })
	_, _, code := k.try(strings.ReplaceAll(book, "474", "475"), "diff", "-f", "-")
	if code != 1 {
		t.Errorf("a diff ends with %d", code)
	}
	// Both patches of apply, each merged by the other server.
	k.runWith(strings.ReplaceAll(book, "474", "475"), "apply -f -", "configured")
	eventually(t, "MODIFIED", func() bool { return seen.has("MODIFIED emma Emma 475") })
	k.runWith(strings.ReplaceAll(book, "[love, money]", "[love]"), "apply --server-side --force-conflicts -f -", "serverside-applied")
	k.runWith("apiVersion: library.example.org/v1\nkind: Book\nmetadata: {name: emma}\nspec: {title: Emma, subjects: [satire]}\n", "apply --server-side --field-manager=critic -f -", "serverside-applied")
	k.run("get book emma -o jsonpath='{.spec.subjects} {.spec.pages}'", `["love","satire"] 474`)
	_, errs, _ := k.try(strings.ReplaceAll(book, "title: Emma", "title: E."), "apply", "--server-side", "--field-manager=third", "-f", "-")
	k.has("apply", errs, `conflicts with "critic"`, ".spec.title")
	_, errs, _ = k.try(strings.ReplaceAll(book, "pages: 474", "pages: -1"), "apply", "-f", "-")
	k.has("apply", errs, "spec.pages: Invalid value: -1: no book has less than none")
	_, errs, _ = k.try(strings.ReplaceAll(book, "pages: 474", "page: 1"), "apply", "-f", "-")
	k.has("apply", errs, `unknown field "spec.page"`)
	k.run(`patch book emma --subresource=status --type=merge -p '{"status":{"lentTo":"george"}}'`, "patched")
	k.run("get books -l shelf=a -o wide", "emma Emma 474 george")
	edit := *k
	edit.env = []string{"KUBE_EDITOR=sed -i /pages:/s/474/500/"}
	edit.run("edit book emma", "edited")
	k.run("get book emma -o custom-columns=P:.spec.pages --no-headers", "500")
	k.run("label book emma shelf=b --overwrite", "labeled")
	k.run("wait --for=jsonpath='{.status.lentTo}'=george book/emma --timeout=150s", "condition met")
	k.run("describe book emma", "Lent To: george")
	k.run("delete book emma", "deleted")
	eventually(t, "DELETED", func() bool { return seen.has("DELETED emma Emma 500") })
	k.fails(1, "get book emma", `books.library.example.org "emma" not found`)
}

// metricsByKubectl reads what an autoscaler and a person read of a metrics server.
func metricsByKubectl(t *testing.T, k *kubectl) {
	k.runWith(`{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}}`, "create -f -", "created")
	k.run(`patch node n1 --subresource=status --type=merge -p '{"status":{"capacity":{"cpu":"2","memory":"4Gi"},"allocatable":{"cpu":"2","memory":"4Gi"}}}'`, "patched")
	k.run("run box --image=busybox --labels=app=box", "created")
	eventually(t, "the pod's figures", func() bool {
		out, _, code := k.try("", "top", "pods")
		return code == 0 && strings.Contains(out, "box")
	})
	k.run("top pods -l app=box --containers", "POD NAME CPU(cores) MEMORY(bytes)", "box box 100m 64Mi")
	k.run("top nodes", "NAME CPU(cores) CPU(%) MEMORY(bytes) MEMORY(%)", "n1 500m 25% 1024Mi 25%")
	k.run("get --raw /apis/metrics.k8s.io/v1beta1/namespaces/default/pods/box", `"kind":"PodMetrics"`, `"cpu":"100m"`)
	k.run("get nodes.metrics.k8s.io n1 -o jsonpath={.usage.cpu}", "500m")
	k.run("delete pod box --now", "deleted")
}

// whoAsksTheExtension checks that callers are who they are, through this server
// and past it, and that the other server asks what they may do.
func whoAsksTheExtension(t *testing.T, k *kubectl, x *extension) {
	dev := k.as("--namespace=default", "--as=dev", "--as-group=developers")
	dev.fails(1, "get books", `books.library.example.org is forbidden: User "dev" cannot list resource "books"`)
	k.run("create role reader --verb=get,list,watch --resource=books.library.example.org", "created")
	k.run("create rolebinding reader --role=reader --group=developers", "created")
	dev.run("get books", "No resources found")
	dev.run("auth can-i list books.library.example.org", "yes")
	dev.fails(1, "auth can-i delete books.library.example.org", "no")
	_, errs, _ := dev.try(book, "create", "-f", "-")
	k.has("create", errs, `cannot create resource "books"`)

	// Past the server: the other one asks it with TokenReview and SubjectAccessReview.
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // a certificate of the test's own
	direct := func(want int, header ...string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://127.0.0.1:"+x.port+"/apis/library.example.org/v1/namespaces/default/books", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Add(header[i], header[i+1])
		}
		resp, err := web.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != want {
			body, _ := io.ReadAll(resp.Body)
			t.Errorf("%v: %s %s", header, resp.Status, body)
		}
	}
	direct(200, "Authorization", "Bearer token-admin")
	direct(200, "Authorization", "Bearer token-dev")
	direct(401, "Authorization", "Bearer forged")
	direct(403)
	direct(403, "X-Remote-User", "kubernetes-admin", "X-Remote-Group", "system:masters")
}

// garbageAcrossServers has owners and dependents on both sides.
func garbageAcrossServers(t *testing.T, k *kubectl) {
	uid := func(what string) string {
		return strings.TrimSpace(k.run("get " + what + " -o jsonpath={.metadata.uid}"))
	}
	owned := func(apiVersion, kind, name, owner string) string {
		return fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":%q,"ownerReferences":[%s]}%s}`, apiVersion, kind, name, owner,
			map[bool]string{true: `,"spec":{"title":"T"}`}[kind == "Book"])
	}
	reference := func(apiVersion, kind, name, uid string) string {
		return fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"name":%q,"uid":%q,"blockOwnerDeletion":true}`, apiVersion, kind, name, uid)
	}
	gone := func(what string) { t.Helper(); k.run("wait --for=delete " + what + " --timeout=150s") }

	// A book of a ConfigMap, which has a Secret.
	k.run("create cm owner")
	owner := reference("v1", "ConfigMap", "owner", uid("cm/owner"))
	k.runWith(owned("library.example.org/v1", "Book", "middle", owner), "create -f -", "created")
	middle := reference("library.example.org/v1", "Book", "middle", uid("book/middle"))
	k.runWith(owned("v1", "Secret", "leaf", middle), "create -f -", "created")
	k.run("delete cm owner")
	gone("book/middle")
	gone("secret/leaf")

	// In the foreground the dependents go first.
	k.run("create cm owner")
	owner = reference("v1", "ConfigMap", "owner", uid("cm/owner"))
	k.runWith(owned("library.example.org/v1", "Book", "held", owner), "create -f -", "created")
	k.run(`patch book held --type=merge -p '{"metadata":{"finalizers":["example.org/hold"]}}'`, "patched")
	k.run("delete cm owner --cascade=foreground --wait=false", "deleted")
	eventually(t, "the deletion of the book", func() bool {
		return strings.TrimSpace(k.run("get book held -o jsonpath={.metadata.deletionTimestamp}")) != ""
	})
	k.run("get cm owner -o jsonpath={.metadata.finalizers}", "foregroundDeletion")
	k.run(`patch book held --type=merge -p '{"metadata":{"finalizers":null}}'`, "patched")
	gone("cm/owner")

	// Orphans stay.
	k.run("create cm owner")
	owner = reference("v1", "ConfigMap", "owner", uid("cm/owner"))
	k.runWith(owned("library.example.org/v1", "Book", "orphan", owner), "create -f -", "created")
	k.run("delete cm owner --cascade=orphan")
	eventually(t, "a book without an owner", func() bool {
		return strings.TrimSpace(k.run("get book orphan -o jsonpath={.metadata.ownerReferences}")) == ""
	})
	// An owner that never was.
	absent := reference("library.example.org/v1", "Book", "absent", "00000000-0000-0000-0000-000000000000")
	k.runWith(owned("v1", "Secret", "lost", absent), "create -f -", "created")
	gone("secret/lost")
	k.run("delete book orphan", "deleted")
}
