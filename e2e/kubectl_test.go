package e2e

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	application = "testdata/app.yaml"
	// kinds are what the application consists of, but for its quota, whose status moves by itself.
	kinds    = "sa,role,rolebinding,cm,secret,pvc,deploy,sts,svc,ing,netpol,pdb,hpa,cronjob"
	versions = `get ` + kinds + ` -n shop --no-headers -o custom-columns=K:.kind,N:.metadata.name,V:.metadata.resourceVersion`
)

// TestAnApplicationOfADozenKinds is a day of somebody who runs a web shop.
func TestAnApplicationOfADozenKinds(t *testing.T) {
	k := newKubectl(t, start(t, t.TempDir()))
	shop := k.as("--namespace=shop")
	if out := k.run("apply -f " + application); strings.Count(out, "created") != 19 {
		t.Errorf("apply made:\n%s", out)
	}

	// Nothing is written again when nothing differs.
	before := k.run(versions, "Deployment web", "StatefulSet db", "CronJob report")
	k.run("apply -f "+application, "deployment.apps/web unchanged", "service/web unchanged", "cronjob.batch/report unchanged")
	if after := k.run(versions); after != before {
		t.Errorf("the second apply wrote:\n%s\nbefore:\n%s", after, before)
	}

	k.run("get all -A", "default service/kubernetes ClusterIP 10.0.0.1", "shop deployment.apps/web 0/3 0 0", "shop statefulset.apps/db 0/2",
		"shop horizontalpodautoscaler.autoscaling/web Deployment/web cpu: <unknown>/70% 2 10 0", "shop cronjob.batch/report 15 3 * * * <none> False 0 <none>")
	shop.run("get deploy,svc,pvc,ing,pdb -o wide", "deployment.apps/web 0/3 0 0", "nginx nginx:1.27 app=web", "service/db ClusterIP None <none> 5432/TCP",
		"persistentvolumeclaim/uploads Pending", "web nginx shop.example.org 80, 443", "poddisruptionbudget.policy/web 50% N/A")
	shop.run("get svc -l app=web --show-labels", "app.kubernetes.io/part-of=shop,app=web")
	shop.run("get secret --field-selector type=kubernetes.io/basic-auth -o name", "secret/db-login")
	shop.run("get deploy --sort-by=.metadata.name -o jsonpath='{range .items[*]}{.metadata.name}:{.spec.replicas} {end}'", "api:1 web:3")
	shop.run("get secret db-login -o go-template='{{.data.username | base64decode}}'", "shop")
	shop.run("get deploy web -o yaml", "maxUnavailable: 0", "terminationGracePeriodSeconds: 30", "revisionHistoryLimit: 10")
	shop.run("get pdb web -o json", `"minAvailable": "50%"`)
	shop.run("get quota shop -o custom-columns=N:.metadata.name,HARD:.spec.hard.requests\\.storage", "shop 100Gi")

	shop.run("set image deploy/web nginx=nginx:1.28", "image updated")
	shop.run("set env deploy/api MODE=slow", "env updated")
	shop.run("set resources deploy/api --limits=cpu=200m", "resource requirements updated")
	shop.run("set selector svc/api app=api,tier=backend", "selector updated")
	shop.run(`patch deploy/api --type=json -p '[{"op":"test","path":"/spec/replicas","value":1},{"op":"replace","path":"/spec/replicas","value":2}]'`, "patched")
	shop.fails(1, `patch deploy/api --type=json -p '[{"op":"test","path":"/spec/replicas","value":1}]'`, "the server rejected our request")
	shop.run(`patch deploy/api -p '{"spec":{"template":{"spec":{"containers":[{"name":"api","imagePullPolicy":"Always"}]}}}}'`, "patched")
	shop.run(`patch cm/web-settings --type=merge -p '{"data":{"LOG_LEVEL":null,"THEME":"dark"}}'`, "patched")
	shop.run(`patch svc/api -p '{}'`, "patched (no change)")
	shop.run("label deploy --all tier=backend", "deployment.apps/api labeled", "deployment.apps/web labeled")
	shop.fails(1, "label deploy/api tier=frontend", "'tier' already has a value (backend), and --overwrite is false")
	shop.run("annotate svc/web note=hello", "annotated")
	shop.run("scale deploy/web --replicas=5", "scaled")
	shop.run("scale sts/db --current-replicas=2 --replicas=3", "scaled")
	shop.fails(1, "scale sts/db --current-replicas=2 --replicas=4", "Expected replicas to be 2, was 3")
	shop.run("autoscale deploy/api --min=1 --max=3 --cpu=80%", "autoscaled")
	edit := *shop
	edit.env = []string{"KUBE_EDITOR=sed -i s/dark/light/"}
	edit.run("edit cm/web-settings", "edited")
	shop.run("get deploy web -o jsonpath='{.spec.replicas} {.metadata.generation} {.metadata.labels.tier}'", "5 3 backend")
	shop.run("get cm web-settings -o jsonpath='{.data}'", `"THEME":"light"`)
	shop.run("get deploy api -o jsonpath='{.spec.template.spec.containers[0].env} {.spec.template.spec.containers[0].imagePullPolicy}'", `[{"name":"MODE","value":"slow"}] Always`)
	shop.fails(1, `patch svc/db -p '{"spec":{"clusterIP":"10.0.0.9"}}'`, "spec.clusterIPs[0]: Invalid value")
	shop.fails(1, `patch deploy/web -p '{"spec":{"selector":{"matchLabels":{"a":"b"}}}}'`, "field is immutable")

	shop.run("describe deploy web", "Replicas: 5 desired | 0 updated", "Image: nginx:1.28", "DB_PASSWORD: <set to the key 'password' in secret 'db-login'>", "RollingUpdateStrategy: 0 max unavailable, 1 max surge")
	shop.run("describe svc web", "TargetPort: http/TCP", "IP Families: IPv4", "note: hello")
	shop.run("describe ing,hpa,pdb,netpol,cronjob,sts,pvc,quota,role,secret,sa", "web:http", "<unknown> / 70%", "Min available: 50%", "To Port: 5432/TCP",
		"Concurrency Policy: Forbid", "Volume Claims: Name: data", "requests.storage 5Gi 100Gi", "pods [] [] [get list]", "password: 14 bytes")
	k.run("describe ns shop", "pod-security.kubernetes.io/enforce=baseline", "count/configmaps 2 20")

	// A controller would set the status; then the rollout counts as done.
	shop.run("rollout history deploy/web", "No rollout history found.")
	shop.run("rollout restart deploy/web", "restarted")
	shop.run("rollout pause deploy/api", "paused")
	shop.run("rollout resume deploy/api", "resumed")
	shop.run(`patch deploy/web --subresource=status --type=merge -p '{"status":{"observedGeneration":9,"replicas":5,"updatedReplicas":5,"availableReplicas":5,"readyReplicas":5}}'`, "patched")
	shop.run("rollout status deploy/web --timeout=150s", `deployment "web" successfully rolled out`)
	shop.run("get deploy web", "web 5/5 5 5")

	shop.fails(1, "diff -f "+application, "- replicas: 5", "+ replicas: 3", "- image: nginx:1.28", "+ LOG_LEVEL: info")
	k.run("apply -f "+application, "deployment.apps/web configured")
	shop.run("get deploy web -o jsonpath='{.spec.replicas} {.spec.template.spec.containers[0].image}'", "3 nginx:1.27")

	k.run("delete --ignore-not-found -f "+application+" --timeout=150s", `namespace "shop" deleted`)
	k.fails(1, "get ns shop", `namespaces "shop" not found`)
	shop.run("get "+kinds, "No resources found")
}

func TestApplyInItsForms(t *testing.T) {
	k := newKubectl(t, start(t, t.TempDir())).as("--namespace=default")
	settings := func(b string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s, labels: {set: one}}\ndata: {a: '1', b: '" + b + "'}\n"
	}
	k.runWith(settings("2"), "apply --server-side -f -", "configmap/s serverside-applied")
	k.runWith(settings("2"), "apply --server-side --field-manager=other -f -", "serverside-applied")
	out, errs, code := k.try(settings("3"), "apply", "--server-side", "--field-manager=third", "-f", "-")
	if code != 1 {
		t.Errorf("a conflict ends with %d: %s", code, out)
	}
	k.has("apply", errs, `Apply failed with 2 conflicts: conflicts with "kubectl": - .data.b conflicts with "other": - .data.b`)
	k.runWith(settings("3"), "apply --server-side --field-manager=third --force-conflicts -f -", "serverside-applied")
	k.run("get cm s -o yaml --show-managed-fields", "b: \"3\"", "manager: third", "operation: Apply", "f:labels: f:set: {}")

	k.run("delete cm s")
	k.runWith(settings("1"), "apply -f -", "created")
	k.runWith(settings("1"), "apply --server-side -f -", "serverside-applied")
	k.runWith(settings("1"), "apply --dry-run=server -f -", "(server dry run)")
	k.runWith(settings("5"), "apply --dry-run=server -o jsonpath={.data.b} -f -", "5")
	k.runWith(settings("1"), "apply view-last-applied -f -", `a: "1"`)
	other := strings.ReplaceAll(settings("1"), "name: s", "name: t")
	k.runWith(other, "apply --prune -l set=one --prune-allowlist=core/v1/ConfigMap -f -", "configmap/t created", "configmap/s pruned")

	_, errs, code = k.try("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndatas: {}\n", "apply", "-f", "-")
	if code != 1 {
		t.Errorf("an unknown field ends with %d", code)
	}
	k.has("apply", errs, `unknown field "datas"`)
	k.runWith(settings("7"), "replace --force -f -", "configmap/s replaced")
	_, errs, _ = k.try(settings("8"), "create", "-f", "-")
	k.has("create", errs, `Error from server (AlreadyExists): error when creating "STDIN": configmaps "s" already exists`)
}

func TestACustomResourceLikeABuiltInOne(t *testing.T) {
	k := newKubectl(t, start(t, t.TempDir())).as("--namespace=default")
	k.run("apply -f testdata/crd.yaml", "created")
	k.run("wait --for=condition=Established crd/shelves.store.example --timeout=150s", "condition met")
	k.run("api-resources --api-group=store.example", "shelves sh store.example/v1 true Shelf")
	k.run("explain shelf.spec.rows", "FIELD: rows <integer>", "How many rows there are.")
	shelf := func(rows string) string {
		return "apiVersion: store.example/v1\nkind: Shelf\nmetadata: {name: a}\nspec: {rows: " + rows + "}\n"
	}
	k.runWith(shelf("3"), "apply -f -", "shelf.store.example/a created")
	k.run("get sh", "NAME ROWS", "a 3")
	_, errs, _ := k.try(shelf("30"), "apply", "-f", "-")
	k.has("apply", errs, "spec.rows: Invalid value: 30: spec.rows in body should be less than or equal to 10")
	k.run("scale shelf/a --replicas=4", "scaled")
	k.run("get all", "shelf.store.example/a 4")
	k.run("describe shelf a", "Rows: 4")

	// Watching, editing, and every way to change and to show.
	seen, _ := k.background(t, "get shelves --watch --output-watch-events")
	eventually(t, "the first event", func() bool { return seen.has("ADDED a 4") })
	edit := *k
	edit.env = []string{"KUBE_EDITOR=sed -i 's/rows: 4/rows: 5/'"}
	edit.run("edit shelf a", "shelf.store.example/a edited")
	eventually(t, "MODIFIED", func() bool { return seen.has("MODIFIED a 5") })
	_, _, code := k.try(shelf("6"), "diff", "-f", "-")
	if code != 1 {
		t.Errorf("a diff ends with %d", code)
	}
	k.runWith(shelf("6"), "apply -f -", "configured")
	k.runWith(shelf("6"), "apply --server-side --field-manager=kubectl -f -", "serverside-applied")
	_, errs, _ = k.try(shelf("7"), "apply", "--server-side", "--field-manager=other", "-f", "-")
	k.has("apply", errs, `conflict with "kubectl": .spec.rows`)
	k.run(`patch shelf a --type=json -p '[{"op":"replace","path":"/spec/rows","value":8}]'`, "patched")
	_, errs, _ = k.try("", "patch", "shelf", "a", "-p", `{"spec":{"rows":9}}`)
	k.has("patch", errs, "application/strategic-merge-patch+json is not supported")
	k.run(`patch shelf a --subresource=status --type=merge -p '{"status":{"rows":8}}'`, "patched")
	k.run("wait --for=jsonpath={.status.rows}=8 shelf/a --timeout=150s", "condition met")
	k.run("label shelf a place=hall", "labeled")
	k.run("annotate shelf a note=x", "annotated")
	k.run("get sh -l place=hall -o custom-columns=R:.spec.rows --no-headers", "8")
	k.run("get sh a -o jsonpath='{.spec.rows} {.metadata.generation}'", "8 5")
	k.run("get sh -o wide --show-labels", "place=hall")
	k.run("get sh --sort-by=.spec.rows -o name", "shelf.store.example/a")
	k.run("explain shelf --recursive", "rows <integer>", "status <Object>")
	k.runWith(shelf("3"), "replace -f -", "replaced")
	other := strings.ReplaceAll(shelf("2"), "name: a", "name: b, labels: {set: one}")
	k.runWith(other, "apply -f -", "shelf.store.example/b created")
	k.runWith(strings.ReplaceAll(other, "name: b", "name: c"), "apply --prune -l set=one --prune-allowlist=store.example/v1/Shelf -f -", "shelf.store.example/c created", "shelf.store.example/b pruned")
	k.run("delete shelf c", "deleted")
	eventually(t, "DELETED", func() bool { return seen.has("DELETED c 2") })
	k.run("delete -f testdata/crd.yaml --timeout=150s", "deleted")
	k.fails(1, "get shelves", "get shelves")
}

func TestWhoIsItAndMayHe(t *testing.T) {
	k := newKubectl(t, start(t, t.TempDir()))
	k.run("apply -f "+application, "created")
	k.run("auth whoami", "Username kubernetes-admin", "system:masters")
	k.run("auth can-i --list", "*.* [] [] [*]", "[/healthz] [] [get]")
	web := k.as("--namespace=shop", "--as=system:serviceaccount:shop:web")
	web.run("auth can-i get cm/web-settings", "yes")
	web.fails(1, "auth can-i list secrets", "no")
	web.run("auth can-i --list", "configmaps [] [web-settings] [get watch]", "pods [] [] [get list]")
	web.fails(1, "get secrets", `secrets is forbidden: User "system:serviceaccount:shop:web" cannot list resource "secrets" in API group "" in the namespace "shop"`)
	web.run("get cm web-settings", "web-settings 2")
	k.run("auth reconcile -f "+application, "config-reader reconciled")

	token := strings.TrimSpace(k.run("create token web -n shop --duration=10m"))
	by := *k
	by.p = &process{kubeconfig: filepath.Join(t.TempDir(), "config")}
	by.run("config set-cluster c --server="+k.p.url+" --insecure-skip-tls-verify", "set")
	by.run("config set-credentials u --token="+token, "set")
	by.run("config set-context x --cluster=c --user=u --namespace=shop", "created")
	by.run("config use-context x")
	by.run("auth whoami", "system:serviceaccount:shop:web", "system:serviceaccounts:shop")
	by.run("get cm web-settings", "web-settings 2")
	by.fails(1, "delete cm web-settings", "cannot delete resource")
	k.run("delete sa web -n shop")
	eventually(t, "the end of a token whose account is gone", func() bool {
		_, errs, _ := by.try("", "auth", "whoami")
		return strings.Contains(errs, "Unauthorized")
	})
	by.run("config set-credentials u --token=token-dev", "set")
	by.run("auth whoami", "Username dev", "developers")
	by.run("config set-credentials u --token=forged", "set")
	by.fails(1, "get cm", "Unauthorized")
}

func TestTheAPIExplainsItself(t *testing.T) {
	k := newKubectl(t, start(t, t.TempDir()))
	k.run("explain deploy.spec.strategy.rollingUpdate", "KIND: Deployment", "maxSurge <IntOrString>", "Defaults to 25%")
	k.run("explain hpa --api-version=autoscaling/v1", "VERSION: v1")
	k.run("explain ingress.spec --recursive", "defaultBackend <IngressBackend>", "name <string> -required-")
	k.run("explain pod.spec.containers.imagePullPolicy", "ENUM: Always IfNotPresent Never")
	k.run("api-resources --api-group=apps -o wide", "deployments deploy apps/v1 true Deployment create,delete,deletecollection,get,list,patch,update,watch all")
	k.run("api-resources --categories=all -o name", "pods", "jobs.batch")
	k.run("api-resources --namespaced=false --verbs=list,watch", "nodes no v1 false Node")
	k.run("api-versions", "apps/v1", "autoscaling/v1", "autoscaling/v2", "resource.k8s.io/v1", "v1")
	k.run("get --raw /version", `"gitVersion": "v1.36.`)
	k.run("cluster-info", "Kubernetes control plane", k.p.url)
	k.run("get --raw /readyz?verbose", "readyz check passed")
	k.run("get --raw /apis/apps/v1", `"kind":"APIResourceList"`)
	k.run("get ns", "default Active", "kube-node-lease Active", "kube-public Active", "kube-system Active")
	k.fails(1, "get nonsense", `the server doesn't have a resource type "nonsense"`)
	k.fails(1, "get pod x", `Error from server (NotFound): pods "x" not found`)
}

// output is what a process has said so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) has(words string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Contains(strings.Join(strings.Fields(o.b.String()), " "), words)
}

// background starts a command that the test ends.
func (k *kubectl) background(t *testing.T, command string) (*output, *exec.Cmd) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := k.command(ctx, "", words(command)...)
	o := &output{}
	c.Stdout, c.Stderr = o, o
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		c.Wait() //nolint:errcheck // it is killed
		if t.Failed() {
			t.Logf("kubectl %s said: %s", command, o.b.String())
		}
	})
	return o, c
}

func TestWatchingAndWaiting(t *testing.T) {
	k := newKubectl(t, start(t, t.TempDir())).as("--namespace=default")
	seen, _ := k.background(t, "get cm -l follow=me --watch --output-watch-events")
	k.run("create cm a --from-literal=x=1")
	k.run("label cm a follow=me")
	eventually(t, "ADDED", func() bool { return seen.has("ADDED a 1") })
	k.run(`patch cm a -p '{"data":{"y":"2"}}'`)
	eventually(t, "MODIFIED", func() bool { return seen.has("MODIFIED a 2") })
	k.run("label cm a follow-")
	eventually(t, "DELETED", func() bool { return seen.has("DELETED a 2") })

	waits, c := k.background(t, "wait --for=jsonpath='{.data.x}'=9 cm/a --timeout=150s")
	k.run(`patch cm a -p '{"data":{"x":"9"}}'`)
	eventually(t, "the value", func() bool { return waits.has("configmap/a condition met") })
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	k.run(`patch cm a -p '{"metadata":{"finalizers":["example.org/hold"]}}'`)
	k.run("delete cm a --wait=false", "deleted")
	k.fails(1, "wait --for=delete cm/a --timeout=1s", "timed out waiting for the condition on configmaps/a")
	k.run(`patch cm a --type=merge -p '{"metadata":{"finalizers":null}}'`)
	k.run("wait --for=delete cm/a --timeout=150s")
	k.fails(1, "get cm a", "not found")

	k.run("run box --image=busybox --labels=app=box", "pod/box created")
	k.run("expose pod box --port=80", "service/box exposed")
	k.run("get pod -o wide", "box 0/1 Pending 0")
	k.run("describe pod box", "QoS Class: BestEffort", "kube-api-access-", "node.kubernetes.io/not-ready:NoExecute op=Exists for 300s")
	k.run("delete pod,svc -l app=box --timeout=150s", `pod "box" deleted`)
	k.run("create job once --image=busybox", "created")
	k.run("create deployment d --image=busybox --replicas=2", "created")
	k.run("create role r --verb=get --resource=pods --dry-run=server", "created (server dry run)")
	k.fails(1, "get role r", "not found")
	k.run("delete deploy,job --all --cascade=foreground --timeout=150s", `deployment.apps "d" deleted`, `job.batch "once" deleted`)
}

// TestTheKubectlOfThisMachine tries one that is older or newer than ours.
func TestTheKubectlOfThisMachine(t *testing.T) {
	path, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("there is no kubectl in PATH")
	}
	k := newKubectl(t, start(t, t.TempDir()))
	k.path = path
	k.run("apply -f "+application, "deployment.apps/web created")
	k.run("apply -f "+application, "deployment.apps/web unchanged")
	k.run("get all -A", "shop deployment.apps/web 0/3")
	k.run("-n shop scale deploy/web --replicas=1", "scaled")
	k.run("-n shop describe deploy web", "Replicas: 1 desired")
	k.run("-n shop rollout restart deploy/web", "restarted")
	k.fails(1, "-n shop diff -f "+application, "+ replicas: 3")
	k.run("explain cronjob.spec.schedule", "FIELD: schedule <string>")
	k.run("api-resources", "horizontalpodautoscalers hpa autoscaling/v2 true")
	k.run("delete --ignore-not-found -f "+application+" --timeout=150s", `namespace "shop" deleted`)
}
