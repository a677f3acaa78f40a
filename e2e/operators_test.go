package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// operator is software whose definitions people install; its Go module has them,
// and objects that its authors wrote.
type operator struct {
	name, module, sum string
	// definitions, samples are files below the module, as patterns.
	definitions, samples []string
	namespaces           []string
	// shows are commands with what they print.
	shows [][]string
	// refused is an object of it that is wrong, and why.
	refused, why string
}

var operators = []operator{
	{
		name: "cert-manager", module: "github.com/cert-manager/cert-manager@v1.19.1", sum: "h1:Txh8L/nLWTDcb7ZnXuXbTe15BxQnLbLirXmbNk0fGgY=",
		definitions: []string{"deploy/crds/*_*.yaml"}, samples: []string{"test/fixtures/cert-manager-resources.yaml"},
		shows: [][]string{
			{"get certificates -n default", "NAME READY SECRET AGE", "test1 test1"},
			{"get issuers,certificates -n default -l test=first -o name", "issuer.cert-manager.io/selfsigned-issuer", "certificate.cert-manager.io/test1"},
			{"explain certificate.spec.privateKey.algorithm", "ENUM: RSA ECDSA Ed25519"},
			{"get cert-manager -n default -o name", "certificate.cert-manager.io/test1"},
		},
		refused: "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: bad}\nspec: {secretName: s, issuerRef: {name: i}, privateKey: {algorithm: DSA}}\n",
		why:     `spec.privateKey.algorithm: Unsupported value: "DSA": supported values: "RSA", "ECDSA", "Ed25519"`,
	},
	{
		name: "prometheus-operator", module: "github.com/prometheus-operator/prometheus-operator@v0.85.0", sum: "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
		definitions: []string{"example/prometheus-operator-crd/monitoring.coreos.com_*.yaml"},
		samples:     []string{"example/user-guides/getting-started/*.yaml", "example/user-guides/alerting/alertmanager-config-example.yaml", "example/user-guides/alerting/prometheus-example-rules.yaml", "example/user-guides/alerting/alertmanager-example.yaml"},
		shows: [][]string{
			{"get prometheuses -n default", "NAME VERSION DESIRED READY RECONCILED AVAILABLE AGE", "prometheus"},
			{"get smon,pmon -A", "example-app"},
			{"get alertmanagers.monitoring.coreos.com -A", "REPLICAS READY", "example"},
			{"explain prometheus.spec.retention", "FIELD: retention <string>"},
		},
		refused: "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {name: bad}\nspec: {retention: soon}\n",
		why:     `spec.retention: Invalid value: "soon": spec.retention in body should match '^(0|(([0-9]+)y)?`,
	},
	{
		name: "argo-cd", module: "github.com/argoproj/argo-cd/v3@v3.1.9", sum: "h1:9P9vJKo1RGWu6mtQnGu61r+0h3XKlA2j3kVhwogUQ/0=",
		definitions: []string{"manifests/crds/*-crd.yaml"}, namespaces: []string{"argocd"},
		samples: []string{"docs/operator-manual/project.yaml", "test/manifests/cmp/app.yaml", "applicationset/examples/list-generator/list-example.yaml", "applicationset/examples/git-generator-files-discovery/git-generator-files.yaml"},
		shows: [][]string{
			{"get applications", "NAME SYNC STATUS HEALTH STATUS", "plugin-test-app"},
			{"get appproj,appset -A -o name", "appproject.argoproj.io/my-project", "applicationset.argoproj.io/guestbook"},
			{"explain application.spec.syncPolicy.automated", "prune <boolean>"},
		},
		refused: "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: bad}\nspec: {project: p}\n",
		why:     "spec.destination: Required value",
	},
	{
		name: "gateway-api", module: "sigs.k8s.io/gateway-api@v1.4.1", sum: "h1:NPxFutNkKNa8UfLd2CMlEuhIPMQgDQ6DXNKG9sHbJU8=",
		definitions: []string{"config/crd/standard/gateway.*.yaml"}, namespaces: []string{"gateway-api-example-ns1"},
		samples: []string{"examples/standard/basic-*.yaml", "examples/standard/http-*.yaml", "examples/standard/grpc-filter.yaml", "examples/standard/simple-gateway/*.yaml", "examples/standard/traffic-splitting/*.yaml", "examples/standard/http-routing/*.yaml", "examples/standard/httproute.yaml"},
		shows: [][]string{
			{"get gtw -A", "NAMESPACE NAME CLASS ADDRESS PROGRAMMED AGE", "my-gateway"},
			{"get httproutes -A", "NAMESPACE NAME HOSTNAMES AGE"},
			{"explain httproute.spec.rules.matches.path", "PathPrefix"},
		},
		refused: "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: bad}\nspec: {gatewayClassName: c, listeners: [{name: a, protocol: HTTP, port: 80, tls: {mode: Terminate}}]}\n",
		why:     "tls must not be specified for protocols",
	},
	{
		name: "crossplane", module: "github.com/crossplane/crossplane/v2@v2.0.2", sum: "h1:OKA26pnm3/uFHN1zF9d2CGkkvod9H/6PrK4xmL81BgU=",
		definitions: []string{"cluster/crds/*.yaml"},
		samples:     []string{"test/e2e/manifests/apiextensions/environment/setup/*.yaml", "test/e2e/manifests/apiextensions/composition/basic-*/setup/composition.yaml", "test/e2e/manifests/apiextensions/xrd/validation/xrd-valid.yaml", "test/e2e/manifests/ops/operations/simple/setup/functions.yaml"},
		shows: [][]string{
			{"get xrd", "NAME ESTABLISHED OFFERED AGE"},
			{"get providers.pkg.crossplane.io,functions.pkg.crossplane.io", "INSTALLED HEALTHY PACKAGE"},
			{"get compositions", "NAME XR-KIND XR-APIVERSION AGE"},
		},
		refused: "apiVersion: pkg.crossplane.io/v1\nkind: Provider\nmetadata: {name: bad}\nspec: {}\n",
		why:     "spec.package: Required value",
	},
}

// TestDefinitionsOfWellKnownOperators installs what operators define all in one
// server, and works with their authors' own objects.
func TestDefinitionsOfWellKnownOperators(t *testing.T) {
	if testing.Short() {
		t.Skip("downloads modules")
	}
	k := newKubectl(t, start(t, t.TempDir()))
	for _, o := range operators {
		t.Run(o.name, func(t *testing.T) {
			k := k.with(t)
			dir := o.download(t)
			command := func(verb string, patterns []string) string {
				for _, pattern := range patterns {
					files, err := filepath.Glob(filepath.Join(dir, pattern))
					if err != nil || len(files) == 0 {
						t.Fatalf("%s: no files, %v", pattern, err)
					}
					for _, f := range files {
						verb += " -f " + f
					}
				}
				return verb
			}
			k.run(command("apply --server-side", o.definitions), "serverside-applied")
			eventually(t, "definitions with conditions", func() bool { // kubectl wait takes them for an error as long as there are none
				_, _, code := k.try("", words(command("wait --for=condition=Established --timeout=150s", o.definitions))...)
				return code == 0
			})
			for _, ns := range o.namespaces {
				k.run("create ns " + ns)
			}
			k.run(command("apply --server-side", o.samples), "serverside-applied")
			k.run(command("apply --server-side", o.samples), "serverside-applied")
			for _, s := range o.shows {
				k.run(s[0], s[1:]...)
			}
			_, errs, code := k.try(o.refused, "create", "-f", "-")
			if code != 1 {
				t.Errorf("what is wrong ends with %d", code)
			}
			k.has("create", errs, o.why)
		})
	}
}

// download gives the folder of the operator's module. The checksum is pinned
// here, since the module is in no go.mod: nothing is built of it.
func (o *operator) download(t *testing.T) string {
	t.Helper()
	c := exec.Command("go", "mod", "download", "-json", o.module)
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), "GONOSUMDB=*", "GOFLAGS=-mod=mod", "GOWORK=off")
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	var m struct{ Dir, Sum, Error string }
	if fault := json.Unmarshal(out, &m); err != nil || fault != nil || m.Sum != o.sum {
		t.Fatalf("%s: %v %v %s%s: %s, want %s", o.module, err, fault, m.Error, strings.TrimSpace(said.String()), m.Sum, o.sum)
	}
	return m.Dir
}
