package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// What Argo CD's own server, which is not part of this, makes at its start.
	argoProject = `
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: default}
spec: {sourceRepos: ["*"], destinations: [{server: "*", namespace: "*"}], clusterResourceWhitelist: [{group: "*", kind: "*"}]}
`
	argoApplication = `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop, finalizers: [resources-finalizer.argocd.argoproj.io]}
spec:
  project: default
  source: {repoURL: $URL, path: app, targetRevision: main, directory: {recurse: true}}
  destination: {server: https://kubernetes.default.svc, namespace: shop}
  syncPolicy: {automated: {prune: true, selfHeal: true}, retry: {limit: 1, backoff: {duration: 1s, maxDuration: 1s}}, syncOptions: [CreateNamespace=true]}
`
	argoWeb = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {argocd.argoproj.io/sync-wave: "1"}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "web:7"}]}
`
	argoHook = `
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {argocd.argoproj.io/hook: PreSync}}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: c, image: "web:7"}]}
`
	argoSettings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {theme: dark}\n"
	argoCustom   = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: coupons.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: coupons, kind: Coupon}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {percent: {type: integer}}}}}}}]
---
apiVersion: example.org/v1
kind: Coupon
metadata: {name: welcome, annotations: {argocd.argoproj.io/sync-options: SkipDryRunOnMissingResource=true}}
spec: {percent: 10}
`
)

// TestRealArgoCD lets Argo CD's application controller bring what is in git into
// the cluster, client-side and server-side.
func TestRealArgoCD(t *testing.T) {
	program := realProgram(t, "argo-cd/argo-cd")
	k := newKubectl(t, start(t, t.TempDir(), "--node=sim"))
	repo := newRepository(t)
	repo.commit(map[string]string{"app/web.yaml": argoWeb, "app/hook.yaml": argoHook, "app/settings.yaml": argoSettings, "app/custom.yaml": argoCustom})

	// Its own definitions, settings and roles.
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(realModule(t, "argo-cd", "github.com/argoproj/argo-cd/v3")+"/manifests")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "own"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "own/kustomization.yaml"), []byte("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: argocd\nresources: [../crds, ../cluster-rbac/application-controller, ../base/config, ../base/application-controller-roles]\n"))
	k.run("create ns argocd", "created")
	k.run("apply --server-side -k "+filepath.Join(dir, "own"), "serverside-applied")
	established(t, k, "applications.argoproj.io", "appprojects.argoproj.io")
	k = k.as("--namespace=argocd")
	k.run(`patch secret argocd-secret --type=merge -p '{"stringData":{"server.secretkey":"c2VjcmV0"}}'`, "patched")

	redis, server := "127.0.0.1:"+freePort(t), freePort(t)
	startReal(t, program, nil, "redis", redis)
	account := asAccount(t, k, "argocd", "argocd-application-controller")
	env := []string{"KUBECONFIG=" + account, "ARGOCD_FAKE_IN_CLUSTER=true", "ARGOCD_EXEC_TIMEOUT=90s", "TMPDIR=" + t.TempDir(), "ARGOCD_GPG_ENABLED=false", "PATH=" + os.Getenv("PATH")}
	files := startReal(t, program, env, "repo-server", "--address=127.0.0.1", "--port="+server, "--metrics-address=127.0.0.1", "--metrics-port="+freePort(t), "--redis="+redis, "--disable-tls", "--revision-cache-expiration=1s")
	sync := startReal(t, program, env, "application-controller", "--kubeconfig="+account, "--namespace=argocd", "--repo-server=127.0.0.1:"+server, "--repo-server-plaintext", "--redis="+redis, "--metrics-port="+freePort(t), "--self-heal-timeout-seconds=1")

	k.runWith(argoProject+"---"+strings.ReplaceAll(argoApplication, "$URL", repo.url), "apply -f -", "application.argoproj.io/shop created")
	synced := func(commit string) func() bool {
		return is(k, "application shop", ".status.sync.status} {.status.health.status} {.status.sync.revision", "Synced Healthy "+commit)
	}
	sync.awaits(t, "what is in git", synced(repo.git("rev-parse", "HEAD")))
	k.run("get applications", "NAME SYNC STATUS HEALTH STATUS", "shop Synced Healthy")
	k.run("get deploy,cm,coupons.example.org -n shop -o name", "deployment.apps/web", "configmap/settings", "coupon.example.org/welcome")
	k.run("get job migrate -n shop -o jsonpath={.status.succeeded}", "1")
	k.run("get deploy web -n shop -o jsonpath='{.metadata.annotations.argocd\\.argoproj\\.io/tracking-id}'", "shop:apps/Deployment:shop/web")

	// What somebody changes or deletes is put right by the watch.
	k.run("scale deploy web -n shop --replicas=5", "scaled")
	sync.awaits(t, "what git says", is(k, "deploy web -n shop", ".spec.replicas", "2"))
	k.run("delete cm settings -n shop", "deleted")
	sync.awaits(t, "the ConfigMap again", func() bool { _, _, code := k.try("", "get", "cm", "settings", "-n", "shop"); return code == 0 })

	// Commits: one that takes away, one by server-side apply, one that is refused.
	next := repo.commit(map[string]string{"app/settings.yaml": "", "app/web.yaml": strings.ReplaceAll(argoWeb, "replicas: 2", "replicas: 3")})
	k.run("annotate application shop argocd.argoproj.io/refresh=hard", "annotated")
	sync.awaits(t, "the next commit", synced(next))
	k.fails(1, "get cm settings -n shop", "not found")
	k.run("get deploy web -n shop", "web 3/3 3 3")
	k.run(`patch application shop --type=merge -p '{"spec":{"syncPolicy":{"syncOptions":["CreateNamespace=true","ServerSideApply=true"]}}}'`, "patched")
	next = repo.commit(map[string]string{"app/web.yaml": strings.ReplaceAll(argoWeb, "replicas: 2", "replicas: 4")})
	k.run("annotate application shop argocd.argoproj.io/refresh=hard", "annotated")
	sync.awaits(t, "a commit by server-side apply", synced(next))
	k.run("get deploy web -n shop --show-managed-fields -o jsonpath='{range .metadata.managedFields[*]}{.manager} {.operation},{end}'", "argocd-controller Apply")
	repo.commit(map[string]string{"app/web.yaml": strings.ReplaceAll(argoWeb, "replicas: 2", "replicas: -1")})
	k.run("annotate application shop argocd.argoproj.io/refresh=hard", "annotated")
	sync.awaits(t, "a refusal", func() bool {
		return strings.Contains(field(k, "application shop", ".status.operationState.syncResult.resources[*].message} {.status.operationState.message"), "spec.replicas: Invalid value: -1: must be greater than or equal to 0")
	})

	next = repo.commit(map[string]string{"app/web.yaml": argoWeb})
	k.run("annotate application shop argocd.argoproj.io/refresh=hard", "annotated")
	sync.awaits(t, "a good commit", synced(next))

	// Its end takes what it made along.
	k.run("delete application shop --timeout=55s", "deleted")
	k.fails(1, "get deploy web -n shop", "not found")
	files.alive(t)
	sync.alive(t)
}
