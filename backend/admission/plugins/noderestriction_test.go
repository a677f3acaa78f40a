package plugins

import (
	"strings"
	"testing"

	"pilothouse/backend/admission"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
)

// byNode has a write done by the kubelet of the node n1.
func (w *world) byNode(c *admission.Chain, in write) error {
	a := w.attributes(in)
	a.User = &request.User{Name: "system:node:n1", Groups: []string{"system:nodes"}}
	_, err := w.admit(c, a)
	return err
}

func TestNodeRestriction(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "NodeRestriction")
	uid := string(w.have("nodes", "", `{"metadata":{"name":"n1"}}`).(*corev1.Node).UID)
	w.have("pods", "ns", `{"metadata":{"name":"mine"},"spec":{"nodeName":"n1","containers":[{"name":"c","image":"i"}]}}`)
	w.have("pods", "ns", `{"metadata":{"name":"theirs"},"spec":{"nodeName":"n2","containers":[{"name":"c","image":"i"}]}}`)
	may := func(in write) {
		t.Helper()
		if err := w.byNode(c, in); err != nil {
			t.Errorf("%s %s: %v", in.op, in.resource, err)
		}
	}
	mayNot := func(in write, text string) {
		t.Helper()
		if err := w.byNode(c, in); err == nil || !strings.HasSuffix(err.Error(), " is forbidden: "+text) {
			t.Errorf("%s %s: %v, want %s", in.op, in.resource, err, text)
		}
	}
	node := func(name, more string) string { return `{"metadata":{"name":"` + name + `"` + more + `}}` }
	may(write{op: admission.Create, resource: "nodes", object: node("n1", `,"labels":{"kubernetes.io/os":"linux","node.kubernetes.io/x":"y","a":"b"}`)})
	mayNot(write{op: admission.Create, resource: "nodes", object: node("n2", "")}, `node "n1" is not allowed to modify node "n2"`)
	mayNot(write{op: admission.Create, resource: "nodes", object: node("n1", `,"labels":{"node-restriction.kubernetes.io/x":"y","k8s.io/z":"z"}`)},
		`node "n1" is not allowed to set the following labels: k8s.io/z, node-restriction.kubernetes.io/x`)
	mayNot(write{op: admission.Update, resource: "nodes", object: node("n1", ""), old: node("n1", `,"labels":{"x.kubernetes.io/a":"b"}`)}, `is not allowed to modify labels: x.kubernetes.io/a`)
	mayNot(write{op: admission.Update, resource: "nodes", object: `{"metadata":{"name":"n1"},"spec":{"taints":[]}}`, old: `{"metadata":{"name":"n1"},"spec":{"taints":[{"key":"k","effect":"NoSchedule"}]}}`},
		`node "n1" is not allowed to modify taints`)

	mirror := func(node, uid, spec string) write {
		return createPod(`{"metadata":{"name":"m","annotations":{"kubernetes.io/config.mirror":"x"},"ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n1","controller":true,"uid":"` + uid + `"}]},"spec":{"nodeName":"` + node + `","containers":[{"name":"c","image":"i"}]` + spec + `}}`)
	}
	may(mirror("n1", uid, ""))
	mayNot(mirror("n2", uid, ""), `node "n1" can only create pods with spec.nodeName set to itself`)
	mayNot(mirror("n1", "other", ""), "node n1 UID mismatch: expected other got "+uid)
	mayNot(mirror("n1", uid, `,"volumes":[{"name":"v","configMap":{"name":"c"}}]`), `node "n1" can not create pods that reference configmaps`)
	mayNot(createPod(podNamed("p", "")), `pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods`)

	pod := func(node, more string) string {
		return `{"metadata":{"name":"p"` + more + `},"spec":{"nodeName":"` + node + `","containers":[{"name":"c","image":"i"}]}}`
	}
	may(write{op: admission.Delete, resource: "pods", old: pod("n1", "")})
	mayNot(write{op: admission.Delete, resource: "pods", old: pod("n2", "")}, `node "n1" can only delete pods with spec.nodeName set to itself`)
	may(write{op: admission.Update, resource: "pods", sub: "status", object: pod("n1", ""), old: pod("n1", "")})
	mayNot(write{op: admission.Update, resource: "pods", sub: "status", object: pod("n2", ""), old: pod("n2", "")}, `node "n1" can only update pod status for pods with spec.nodeName set to itself`)
	mayNot(write{op: admission.Update, resource: "pods", sub: "status", object: pod("n1", `,"labels":{"a":"b"}`), old: pod("n1", "")}, `node "n1" cannot update labels through pod status`)
	mayNot(write{op: admission.Update, resource: "pods", object: pod("n1", ""), old: pod("n1", "")}, `unexpected operation "UPDATE", node "n1" can only create and delete mirror pods`)

	lease := write{op: admission.Create, resource: "leases.coordination.k8s.io", object: `{"metadata":{"name":"n1"}}`}
	mayNot(lease, `can only access leases in the "kube-node-lease" system namespace`)
	may(write{op: admission.Create, resource: "csinodes.storage.k8s.io", object: `{"metadata":{"name":"n1"}}`})
	mayNot(write{op: admission.Create, resource: "csinodes.storage.k8s.io", object: `{"metadata":{"name":"n2"}}`}, "can only access CSINode with the same name as the requesting node")
	may(write{op: admission.Create, resource: "resourceslices.resource.k8s.io", object: `{"metadata":{"name":"s"},"spec":{"nodeName":"n1"}}`})
	mayNot(write{op: admission.Delete, resource: "resourceslices.resource.k8s.io", old: `{"metadata":{"name":"s"},"spec":{"nodeName":"n2"}}`}, "can only delete ResourceSlice with the same NodeName as the requesting node")
	mayNot(write{op: admission.Update, resource: "persistentvolumeclaims", object: `{"metadata":{"name":"v"}}`, old: `{"metadata":{"name":"v"}}`}, "may only update PVC status")

	// Nobody else is confined.
	w.ok(c, write{op: admission.Create, resource: "nodes", object: node("n2", ""), user: "ann"})
}
