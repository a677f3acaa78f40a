package e2e

import (
	"os"
	"strings"
	"testing"
)

// TestTwoServersShareCustomResources has the custom resources of one group served
// by a second process.
func TestTwoServersShareCustomResources(t *testing.T) {
	p := start(t, t.TempDir(), "--crd-groups=*,-far.example")
	k := newKubectl(t, p).as("--namespace=default")
	k.run("create service externalname far -n kube-system --external-name=localhost", "created")
	dir, port := t.TempDir(), freePort(t)
	far := func() *process {
		return start(t, dir, "--crd-groups=far.example", "--secure-port="+port, "--delegate-kubeconfig="+p.kubeconfig, "--delegate-service=kube-system/far:"+port)
	}
	q := far()

	text, err := os.ReadFile("testdata/crd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	near := string(text)
	crd := strings.ReplaceAll(near, "store.example", "far.example")
	shelf := func(group, name, rows string) string {
		return "apiVersion: " + group + "/v1\nkind: Shelf\nmetadata: {name: " + name + "}\nspec: {rows: " + rows + "}\n"
	}
	k.runWith(crd, "apply -f -", "created")
	k.runWith(near, "apply -f -", "created")
	k.run("wait --for=condition=Established crd/shelves.far.example crd/shelves.store.example --timeout=150s", "condition met")
	k.run("wait --for=create apiservice/v1.far.example --timeout=150s")
	k.run("wait --for=condition=Available apiservice/v1.far.example --timeout=150s", "condition met")
	k.run("get apiservices v1.far.example v1.store.example", "v1.far.example kube-system/far True", "v1.store.example Local True")

	// Nobody sees the difference.
	eventually(t, "discovery", func() bool {
		out, _, _ := k.try("", "api-resources", "--api-group=far.example")
		return strings.Contains(out, "Shelf")
	})
	k.run("explain shelf.spec --api-version=far.example/v1", "GROUP: far.example", "rows <integer>")
	seen, _ := k.background(t, "get shelves.far.example --watch --output-watch-events")
	k.runWith(shelf("far.example", "a", "3"), "apply -f -", "shelf.far.example/a created")
	k.runWith(shelf("store.example", "b", "4"), "apply -f -", "shelf.store.example/b created")
	k.run("get shelves.far.example", "NAME ROWS", "a 3")
	k.run("get shelves.store.example", "b 4")
	eventually(t, "ADDED", func() bool { return seen.has("ADDED a 3") })
	_, errs, _ := k.try(shelf("far.example", "a", "30"), "apply", "-f", "-")
	k.has("apply", errs, "spec.rows: Invalid value: 30")
	k.run("scale shelves.far.example/a --replicas=5", "scaled")
	eventually(t, "MODIFIED", func() bool { return seen.has("MODIFIED a 5") })
	k.runWith(shelf("far.example", "a", "6"), "apply --server-side --force-conflicts -f -", "serverside-applied")

	// The first server's word counts in the second.
	dev := k.as("--namespace=default", "--as=dev", "--as-group=developers")
	dev.fails(1, "get shelves.far.example", `cannot list resource "shelves"`)
	direct := *k
	direct.more = []string{"--server=" + q.url, "--insecure-skip-tls-verify", "--token=token-dev", "--username=", "--client-certificate=", "--client-key=", "--namespace=default"}
	direct.p = &process{kubeconfig: os.DevNull}
	direct.fails(1, "get shelves.far.example", `User "dev" cannot list resource "shelves"`)
	k.run("create role shelves --verb=get,list --resource=shelves.far.example", "created")
	k.run("create rolebinding shelves --role=shelves --user=dev", "created")
	dev.run("get shelves.far.example", "a 6")
	eventually(t, "the grant in the second server", func() bool {
		out, _, _ := direct.try("", "get", "shelves.far.example")
		return strings.Contains(out, "a")
	})
	k.runWith(policy, "apply -f -", "validatingadmissionpolicy.admissionregistration.k8s.io/rows created")
	eventually(t, "a policy in the second server", func() bool {
		_, errs, _ := k.try(shelf("far.example", "a", "9"), "apply", "--dry-run=server", "-f", "-")
		return strings.Contains(errs, "nine is too many")
	})

	// Namespaces are the first one's.
	k.run("create ns reading")
	eventually(t, "the namespace in the second server", func() bool {
		_, _, code := k.try(shelf("far.example", "c", "1"), "create", "-n", "reading", "-f", "-")
		return code == 0
	})
	k.run("delete ns reading --timeout=150s", "deleted")
	k.run("get shelves.far.example -A --no-headers", "default a 6")

	// An owner on one side, a dependent on the other.
	k.run("create cm owner")
	uid := strings.TrimSpace(k.run("get cm owner -o jsonpath={.metadata.uid}"))
	k.run(`patch shelves.far.example a --type=merge -p '{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"`+uid+`"}]}}'`, "patched")
	k.runWith(shelf("far.example", "kept", "2"), "create -f -", "created")
	k.run("delete cm owner")
	k.run("wait --for=delete shelves.far.example/a --timeout=150s")

	// A change of the definition arrives; a restart loses nothing.
	k.runWith(strings.ReplaceAll(crd, "maximum: 10", "maximum: 20"), "apply -f -", "configured")
	eventually(t, "the new schema", func() bool {
		_, _, code := k.try(shelf("far.example", "kept", "12"), "apply", "-f", "-")
		return code == 0
	})
	q.terminate(t)
	k.fails(1, "get --raw /apis/far.example/v1/shelves", "the server is currently unable to handle the request")
	k.run("get shelves.store.example", "b 4")
	far()
	eventually(t, "the second server again", func() bool {
		out, _, _ := k.try("", "get", "shelves.far.example")
		return strings.Contains(out, "kept")
	})
	k.run("delete crd shelves.far.example --timeout=150s", "deleted")
	k.run("wait --for=delete apiservice/v1.far.example --timeout=150s")
	k.fails(1, "get shelves.far.example", "the server doesn't have a resource type")
	k.run("get shelves.store.example", "b 4")
}

const policy = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: rows}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [far.example], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [shelves]}]
  validations: [{expression: object.spec.rows != 9, message: nine is too many}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: rows}
spec: {policyName: rows, validationActions: [Deny]}
`
