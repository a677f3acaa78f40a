package plugins

import (
	"slices"
	"testing"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

func createClaim(spec string) write {
	return write{op: admission.Create, resource: "persistentvolumeclaims", object: `{"metadata":{"name":"v"},"spec":{` + spec + `}}`}
}

func TestDefaultStorageClass(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "DefaultStorageClass")
	class := func(in write) *string { return w.ok(c, in).(*corev1.PersistentVolumeClaim).Spec.StorageClassName }
	if got := class(createClaim("")); got != nil {
		t.Errorf("a class out of nothing: %s", *got)
	}
	w.have("storageclasses.storage.k8s.io", "", `{"metadata":{"name":"a","annotations":{"storageclass.kubernetes.io/is-default-class":"true"}},"provisioner":"p"}`)
	w.have("storageclasses.storage.k8s.io", "", `{"metadata":{"name":"b"},"provisioner":"p"}`)
	if got := class(createClaim("")); got == nil || *got != "a" {
		t.Errorf("default class %v", got)
	}
	if got := class(createClaim(`"storageClassName":""`)); *got != "" {
		t.Errorf("no class was asked for, got %s", *got)
	}
}

func TestStorageObjectInUseProtection(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "StorageObjectInUseProtection")
	claim := w.ok(c, createClaim("")).(*corev1.PersistentVolumeClaim)
	volume := w.ok(c, write{op: admission.Create, resource: "persistentvolumes", object: `{"metadata":{"name":"v","finalizers":["kubernetes.io/pv-protection"]}}`}).(*corev1.PersistentVolume)
	if !slices.Equal(claim.Finalizers, []string{"kubernetes.io/pvc-protection"}) || len(volume.Finalizers) != 1 {
		t.Errorf("finalizers %v, %v", claim.Finalizers, volume.Finalizers)
	}
}

func TestPersistentVolumeClaimResize(t *testing.T) {
	w := newWorld(t)
	w.have("storageclasses.storage.k8s.io", "", `{"metadata":{"name":"grows"},"provisioner":"p","allowVolumeExpansion":true}`)
	w.have("storageclasses.storage.k8s.io", "", `{"metadata":{"name":"stays"},"provisioner":"p"}`)
	c := w.only("", "PersistentVolumeClaimResize")
	grow := func(class, phase, size string) write {
		text := func(size string) string {
			return `{"metadata":{"name":"v"},"spec":{"storageClassName":"` + class + `","resources":{"requests":{"storage":"` + size + `"}}},"status":{"phase":"` + phase + `"}}`
		}
		return write{op: admission.Update, resource: "persistentvolumeclaims", object: text(size), old: text("1Gi")}
	}
	w.ok(c, grow("grows", "Bound", "2Gi"))
	w.ok(c, grow("stays", "Pending", "1Gi"))
	w.refused(c, grow("grows", "Pending", "2Gi"), 403, `persistentvolumeclaims "v" is forbidden: Only bound persistent volume claims can be expanded`)
	w.refused(c, grow("stays", "Bound", "2Gi"), 403, `persistentvolumeclaims "v" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize`)
}

func TestTaintNodesByCondition(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "TaintNodesByCondition")
	for _, spec := range []string{``, `"taints":[{"key":"node.kubernetes.io/not-ready","effect":"NoSchedule"}]`} {
		node := w.ok(c, write{op: admission.Create, resource: "nodes", object: `{"metadata":{"name":"n"},"spec":{` + spec + `}}`}).(*corev1.Node)
		if len(node.Spec.Taints) != 1 || node.Spec.Taints[0].Key != "node.kubernetes.io/not-ready" {
			t.Errorf("taints %v", node.Spec.Taints)
		}
	}
}

func TestDefaultIngressClass(t *testing.T) {
	w := newWorld(t)
	c := w.only("", "DefaultIngressClass")
	in := write{op: admission.Create, resource: "ingresses.networking.k8s.io", object: `{"metadata":{"name":"i"},"spec":{}}`}
	class := func() *string { return w.ok(c, in).(*networkingv1.Ingress).Spec.IngressClassName }
	if class() != nil {
		t.Error("a class out of nothing")
	}
	isDefault := func(name string) {
		w.have("ingressclasses.networking.k8s.io", "", `{"metadata":{"name":"`+name+`","annotations":{"ingressclass.kubernetes.io/is-default-class":"true"}},"spec":{"controller":"e.com/c"}}`)
	}
	isDefault("a")
	if got := class(); got == nil || *got != "a" {
		t.Errorf("default class %v", got)
	}
	isDefault("b")
	w.refused(c, in, 403, `ingresses.networking.k8s.io "i" is forbidden: Internal error occurred: 2 default IngressClasses were found, only 1 allowed`)
}
