package e2e

import (
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPolicyRequiresALabel(t *testing.T) {
	k := newKubectl(t, start(t, t.TempDir())).as("--namespace=default")
	k.run("apply -f ../docs/examples/require-label/policy.yaml", "validatingadmissionpolicy.admissionregistration.k8s.io/require-team created")
	k.fails(1, "create deployment web --image=nginx", `deployments.apps "web" is forbidden: ValidatingAdmissionPolicy 'require-team' with binding 'require-team' denied request: a Deployment needs the label "team"`)
	deployment := func(team string) string {
		return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, labels: {team: " + team + "}}\n" +
			"spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: nginx}]}}}\n"
	}
	_, errs, _ := k.try(deployment("marketing"), "apply", "-f", "-")
	k.has("apply", errs, "there is no team marketing; there are: payments, search")
	k.runWith(deployment("search"), "apply -f -", "deployment.apps/web created")
	k.fails(1, "label deploy/web team-", `a Deployment needs the label "team"`)
	k.run("scale deploy/web --replicas=2", "scaled") // its scale is no Deployment
	k.run(`patch cm/teams -p '{"data":{"marketing":"#m"}}'`, "patched")
	k.runWith(deployment("marketing"), "apply -f -", "deployment.apps/web configured")
	k.run("create ns free", "created")
	k.run("label ns free teams=no", "labeled")
	k.run("create deployment web --image=nginx -n free", "created")
	k.run("get validatingadmissionpolicy", "require-team 2 v1/ConfigMap")
	k.run("delete -f ../docs/examples/require-label/policy.yaml", "deleted")
	k.run("create deployment other --image=nginx", "created")
}

// injector is the example's program, built; it makes its certificate for the
// names too and prints what is to be applied.
type injector struct{ path, dir, address string }

func newInjector(t *testing.T, host string) *injector {
	t.Helper()
	i := &injector{path: filepath.Join(built, "sidecar-injector"), dir: t.TempDir()}
	if out, err := exec.Command("go", "build", "-o", i.path, "pilothouse/docs/examples/sidecar-injector").CombinedOutput(); err != nil {
		t.Fatalf("build: %v %s", err, out)
	}
	i.address = net.JoinHostPort(host, freePortOf(t, host))
	return i
}

func (i *injector) manifests(t *testing.T, flags ...string) string {
	t.Helper()
	out, err := exec.Command(i.path, append([]string{"manifests", "-dir", i.dir}, flags...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// serve runs it until the test ends.
func (i *injector) serve(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, i.path, "serve", "-dir", i.dir, "-listen", i.address, "-proxy", "mesh/proxy:1")
	said := &output{}
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); c.Wait() })
	eventually(t, "the injector", func() bool {
		conn, err := net.Dial("tcp", i.address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

const containers = "get pod web -o jsonpath='{range .spec.containers[*]}{.name}={.image} {end}'"

func TestASidecarIsInjected(t *testing.T) {
	k := newKubectl(t, start(t, t.TempDir())).as("--namespace=default")
	i := newInjector(t, "127.0.0.1")
	k.runWith(i.manifests(t, "-url", "https://"+i.address), "apply -f -", "mutatingwebhookconfiguration.admissionregistration.k8s.io/sidecar-injector created")
	k.run("run web --image=nginx", "created")
	k.run(containers, "web=nginx")
	k.run("delete pod web --now", "deleted")

	k.run("label ns default sidecar-injection=enabled", "labeled")
	k.fails(1, "run web --image=nginx", `failed calling webhook "sidecar-injector.example.com": failed to call webhook: Post "https://`+i.address+`/inject?timeout=5s": dial tcp `+i.address+`: connect: connection refused`)
	i.serve(t)
	k.run("run web --image=nginx", "created")
	k.run(containers, "web=nginx proxy=mesh/proxy:1")
	k.run("run out --image=nginx --labels=sidecar-injection=disabled", "created")
	k.run("get pod out -o jsonpath='{.spec.containers[*].name}'", "out")
}

// outside is an address of this machine that other machines could use, which is
// what the endpoints of a Service have.
func outside(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no network")
	return ""
}

// TestIstioAsItIsPublished installs Istio's own charts with Helm, unchanged:
// definitions, roles, webhooks and all. An injector answers in the place of
// istiod, which would need nodes.
func TestIstioAsItIsPublished(t *testing.T) {
	charts := filepath.Join(t.TempDir(), "istio")
	if out, err := exec.Command(module(t, "istio", "."), charts).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	charts = filepath.Join(charts, "charts")
	host := outside(t)
	p := start(t, t.TempDir())
	playCluster(t, p)
	k, h := newKubectl(t, p).as("--namespace=default"), newHelm(t, p).as("--namespace=istio-system")
	h.run("install istio-base "+charts+"/base --create-namespace --wait --timeout=150s", "STATUS: deployed")
	k.run("wait crd/virtualservices.networking.istio.io --for=condition=Established --timeout=150s", "condition met")
	h.run("install istiod "+charts+"/istio-control/istio-discovery --wait --timeout=150s", "STATUS: deployed")
	k.run("get deploy,svc,cm,hpa,pdb -n istio-system -o name", "deployment.apps/istiod", "service/istiod", "configmap/istio-sidecar-injector", "horizontalpodautoscaler.autoscaling/istiod")
	k.run("get mutatingwebhookconfiguration istio-sidecar-injector -o jsonpath='{.webhooks[*].name}'",
		"rev.namespace.sidecar-injector.istio.io rev.object.sidecar-injector.istio.io namespace.sidecar-injector.istio.io object.sidecar-injector.istio.io")

	// What istiod does itself when it starts: its address and its authority.
	i := newInjector(t, host)
	_, bundle, _ := strings.Cut(i.manifests(t, "-names", "istiod.istio-system.svc", "-url", "https://unused"), "caBundle: ")
	bundle, _, _ = strings.Cut(bundle, "\n")
	i.serve(t)
	_, port, err := net.SplitHostPort(i.address)
	if err != nil {
		t.Fatal(err)
	}
	k.as().runWith("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: istiod-1, namespace: istio-system, labels: {kubernetes.io/service-name: istiod}}\n"+
		"addressType: IPv4\nports: [{name: https-webhook, port: "+port+"}]\nendpoints: [{addresses: ["+host+"]}]\n", "create -f -", "created")
	var patches []string
	for _, n := range []string{"0", "1", "2", "3"} {
		patches = append(patches, `{"op":"add","path":"/webhooks/`+n+`/clientConfig/caBundle","value":"`+bundle+`"}`)
	}
	k.run("patch mutatingwebhookconfiguration istio-sidecar-injector --type=json -p '["+strings.Join(patches, ",")+"]'", "patched")

	pod := func(flags, want string) {
		t.Helper()
		k.run("run web --image=nginx "+flags, "created")
		if got := strings.TrimSpace(k.run(containers)); got != want {
			t.Errorf("with %q: %s, want %s", flags, got, want)
		}
		k.run("delete pod web --now", "deleted")
	}
	const alone, meshed = "web=nginx", "web=nginx proxy=mesh/proxy:1"
	pod("", alone)
	pod("--labels=sidecar.istio.io/inject=true", meshed)
	k.run("label ns default istio-injection=enabled", "labeled")
	pod("", meshed)
	pod("--labels=sidecar.istio.io/inject=false", alone)
	k.run("label ns default istio-injection- istio.io/rev=default", "modified")
	pod("", meshed)
	k.runWith("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}\n", "apply -f -", "created")
	k.run("get virtualservices", `v ["web"]`)
	h.run("uninstall istiod", "uninstalled")
	pod("", alone)
}
