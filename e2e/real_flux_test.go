package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fluxManifests applies a controller's own definitions and roles, without its
// Deployment and without the other controllers', which their file fetches.
func fluxManifests(t *testing.T, k *kubectl, name string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(realModule(t, "flux", "github.com/fluxcd/"+name+"-controller")+"/config")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "default/kustomization.yaml")
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, file, fmt.Appendf(nil, "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: %s-system\nresources: [namespace.yaml, ../crd, ../rbac]\n", name))
	k.run("apply --server-side -k "+filepath.Join(dir, "default"), "serverside-applied")
}

const (
	fluxShop = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "web:${version}"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
`
	fluxSettings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata: {theme: dark}\n"
	fluxKinds    = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: shop}
spec: {interval: 1h, url: URL, ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: shop}
spec:
  interval: 1h
  retryInterval: 2s
  timeout: 1m
  path: ./app
  prune: true
  wait: true
  sourceRef: {kind: GitRepository, name: shop}
  postBuild: {substitute: {version: "7"}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: store}
spec:
  interval: 1h
  timeout: 1m
  targetNamespace: store
  install: {createNamespace: true}
  test: {enable: true}
  driftDetection: {mode: enabled}
  values: {replicas: 1, autoscaling: {enabled: false}}
  chart: {spec: {chart: ./charts/shop, interval: 1h, sourceRef: {kind: GitRepository, name: shop}}}
`
	// What the chart's database claims.
	fluxVolume = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec: {capacity: {storage: 10Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /tmp}}
`
	// A Kustomization of somebody who may do less than Flux.
	fluxTenant = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: tenant}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: tenant}
spec: {interval: 1h, retryInterval: 2s, timeout: 30s, path: ./tenant, prune: true, targetNamespace: default, serviceAccountName: tenant, sourceRef: {kind: GitRepository, name: shop}}
`
)

// TestRealFlux lets Flux's controllers bring what is in git into the cluster.
func TestRealFlux(t *testing.T) {
	names := []string{"source", "kustomize", "helm"}
	for _, name := range names {
		realProgram(t, "flux/"+name+"-controller")
	}
	k := newKubectl(t, start(t, t.TempDir(), "--node=sim"))
	repo := newRepository(t)
	if err := os.CopyFS(filepath.Join(repo.work, "charts/shop"), os.DirFS("helm/shop")); err != nil {
		t.Fatal(err)
	}
	first := repo.commit(map[string]string{"app/shop.yaml": fluxShop, "app/settings.yaml": fluxSettings, "tenant/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: of-tenant}\n"})

	for _, name := range names {
		fluxManifests(t, k, name)
	}
	established(t, k, "gitrepositories.source.toolkit.fluxcd.io", "kustomizations.kustomize.toolkit.fluxcd.io", "helmreleases.helm.toolkit.fluxcd.io")
	flux := func(name string, flags ...string) *running {
		return startReal(t, realProgram(t, "flux/"+name+"-controller"), []string{"RUNTIME_NAMESPACE=" + name + "-system", "KUBECONFIG=" + asAccount(t, k, name+"-system", "default"), "TMPDIR=" + t.TempDir()},
			append(flags, "--metrics-addr=0", "--health-addr=127.0.0.1:"+freePort(t))...)
	}
	storage := "127.0.0.1:" + freePort(t)
	source := flux("source", "--storage-path="+t.TempDir(), "--storage-addr="+storage, "--storage-adv-addr="+storage)
	apply, helm := flux("kustomize"), flux("helm")

	k = k.as("--namespace=default")
	k.runWith(fluxVolume+"---"+strings.ReplaceAll(fluxKinds, "URL", repo.url), "apply -f -", "helmrelease.helm.toolkit.fluxcd.io/store created")
	source.awaits(t, "an artifact", is(k, "gitrepository shop", ".status.artifact.revision", "main@sha1:"+first))
	apply.awaits(t, "what is in git", is(k, "kustomization shop", ".status.lastAppliedRevision", "main@sha1:"+first))
	k.run("get kustomizations,gitrepositories", "Applied revision: main@sha1:"+first, "stored artifact for revision 'main@sha1:"+first)
	k.run("get deploy web -n shop -o jsonpath='{.spec.template.spec.containers[0].image} {.status.readyReplicas} {.metadata.labels}'", `web:7 2 {"kustomize.toolkit.fluxcd.io/name":"shop","kustomize.toolkit.fluxcd.io/namespace":"default"}`)
	k.run("get deploy web -n shop --show-managed-fields -o jsonpath='{range .metadata.managedFields[*]}{.manager} {.operation},{end}'", "kustomize-controller Apply")
	k.run("get kustomization shop -o jsonpath='{.status.inventory.entries[*].id}'", "_shop__Namespace shop_settings__ConfigMap shop_web__Service shop_web_apps_Deployment")
	k.run("get events --field-selector=involvedObject.kind=Kustomization,reason=ReconciliationSucceeded -o name", "event/shop")

	// What somebody changed is taken back, what he added stays.
	k.run("scale deploy web -n shop --replicas=5", "scaled")
	k.run("label deploy web -n shop mine=yes --field-manager=me", "labeled") // it takes back what kubectl has changed
	again(k, "kustomization shop")
	apply.awaits(t, "what git says", is(k, "deploy web -n shop", ".spec.replicas", "2"))
	k.run("get deploy web -n shop --show-labels", "mine=yes")

	// A commit changes, adds and takes away.
	second := repo.commit(map[string]string{"app/shop.yaml": strings.ReplaceAll(fluxShop, "replicas: 2", "replicas: 3"), "app/settings.yaml": "", "app/more.yaml": strings.ReplaceAll(fluxSettings, "name: settings", "name: more")})
	again(k, "gitrepository shop")
	apply.awaits(t, "the next commit", is(k, "kustomization shop", ".status.lastAppliedRevision", "main@sha1:"+second))
	k.run("get cm -n shop -o name", "configmap/more")
	k.fails(1, "get cm settings -n shop", "not found")
	k.run("get deploy web -n shop", "web 3/3 3 3")

	// What the server refuses is told, and nothing of it is applied.
	repo.commit(map[string]string{"app/shop.yaml": strings.ReplaceAll(fluxShop, "replicas: 2", "replicas: -1"), "app/more.yaml": strings.ReplaceAll(fluxSettings, "name: settings", "name: late")})
	again(k, "gitrepository shop")
	apply.awaits(t, "a refusal", func() bool {
		return strings.Contains(field(k, "kustomization shop", ".status.conditions[?(@.type==\"Ready\")].message"), "Deployment/shop/web dry-run failed (Invalid): Deployment.apps \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0")
	})
	k.fails(1, "get cm late -n shop", "not found")
	third := repo.commit(map[string]string{"app/shop.yaml": fluxShop})
	again(k, "gitrepository shop")
	apply.awaits(t, "a good commit", is(k, "kustomization shop", ".status.lastAppliedRevision", "main@sha1:"+third))

	// As an account that may not, then may.
	k.runWith(fluxTenant, "apply -f -", "kustomization.kustomize.toolkit.fluxcd.io/tenant created")
	apply.expects = "system:serviceaccount:default:tenant" // and is not allowed
	apply.awaits(t, "a refusal", func() bool {
		return strings.Contains(field(k, "kustomization tenant", ".status.conditions[?(@.type==\"Ready\")].message"), `User "system:serviceaccount:default:tenant" cannot patch resource "configmaps" in API group "" in the namespace "default"`)
	})
	k.run("create rolebinding tenant --clusterrole=edit --serviceaccount=default:tenant", "created")
	apply.awaits(t, "what the tenant may do", is(k, "kustomization tenant", ".status.conditions[?(@.type==\"Ready\")].status", "True"))
	k.run("get cm of-tenant", "of-tenant")

	// The chart, with its hooks and its test.
	helm.awaits(t, "the release", is(k, "helmrelease store", ".status.conditions[?(@.type==\"Ready\")].status", "True"))
	k.run("get helmrelease store", "Helm test succeeded for release store/store-store.v1 with chart shop@1.2.0")
	k.run("get deploy -n store -o jsonpath='{.items[*].spec.replicas}'", "1")
	k.run(`patch helmrelease store --type=merge -p '{"spec":{"values":{"replicas":2}}}'`, "patched")
	helm.awaits(t, "the upgrade", is(k, "helmrelease store", ".status.history[0].version", "2"))
	k.run("wait --for=condition=Ready helmrelease/store --timeout=55s", "condition met")
	k.run("get deploy -n store -o jsonpath='{.items[*].spec.replicas}'", "2")
	k.run("scale deploy -n store --all --replicas=7", "scaled")
	again(k, "helmrelease store")
	helm.awaits(t, "what the chart says", is(k, "deploy -n store", ".items[*].spec.replicas", "2"))

	// The end of each takes what it made along.
	k.run("delete helmrelease store --timeout=55s", "deleted")
	k.run("get deploy -n store", "No resources found")
	k.run("delete kustomization shop --timeout=55s", "deleted")
	eventually(t, "the end of the namespace", func() bool { _, _, code := k.try("", "get", "ns", "shop"); return code == 1 })
	k.run("delete gitrepository shop --timeout=55s", "deleted")
	for _, r := range []*running{source, apply, helm} {
		r.alive(t)
	}
}

// again asks Flux to look at an object now.
func again(k *kubectl, object string) {
	k.t.Helper()
	k.run(fmt.Sprintf("annotate %s --overwrite reconcile.fluxcd.io/requestedAt=%d", object, time.Now().UnixNano()), "annotated")
}
