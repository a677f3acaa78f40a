package node

import (
	"context"
	"sync"

	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// graph follows references from a node's pods. It keeps nothing up to date: a
// question walks the few pods of one node, and what a pod refers to is remembered
// per state of the pod.
type graph struct {
	registry *registry.Registry

	mu   sync.Mutex
	seen map[string]remembered // by pod UID
}

type remembered struct {
	revision int64
	refs     map[ref]bool
}

// ref is an object that a pod refers to; namespaces are the pod's, but for
// secrets of volumes.
type ref struct{ resource, namespace, name string }

// maxRemembered bounds the pods whose references are kept.
const maxRemembered = 20000

func newGraph(r *registry.Registry) *graph {
	return &graph{registry: r, seen: map[string]remembered{}}
}

// reaches tells whether an object belongs to a node or to a pod of it.
func (g *graph) reaches(node, resource, namespace, name string) bool {
	switch resource {
	case "pods":
		return g.podIsOn(node, namespace, name)
	case "volumeattachments":
		return g.attachmentIsOf(node, name)
	case "resourceslices":
		return g.sliceIsOf(node, name)
	case "persistentvolumes":
		return g.volumeIsUsed(node, name)
	}
	want := ref{resource, namespace, name}
	for _, pod := range g.podsOf(node, "") {
		if pod.Namespace != namespace && resource != "secrets" {
			continue
		}
		refs := g.refsOf(pod)
		if refs[want] || resource == "secrets" && g.volumeSecret(refs, want) {
			return true
		}
	}
	return false
}

// podsOf gives the pods bound to a node.
func (g *graph) podsOf(node, namespace string) []*watchcache.Object {
	store := g.registry.Store("", "pods")
	if store == nil {
		return nil
	}
	list, err := store.List(context.Background(), registry.ListOptions{Namespace: namespace, Fields: fields.OneTermEqualSelector("spec.nodeName", node)})
	if err != nil {
		return nil
	}
	return list.Items
}

func (g *graph) podIsOn(node, namespace, name string) bool {
	for _, pod := range g.podsOf(node, namespace) {
		if pod.Namespace == namespace && pod.Name == name {
			return true
		}
	}
	return false
}

// refsOf gives what a pod refers to.
func (g *graph) refsOf(o *watchcache.Object) map[ref]bool {
	g.mu.Lock()
	known, ok := g.seen[o.UID]
	g.mu.Unlock()
	if ok && known.revision == o.Revision {
		return known.refs
	}
	obj, err := g.registry.Store("", "pods").Decode(o)
	if err != nil {
		return nil
	}
	refs := references(obj.(*corev1.Pod))
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.seen) >= maxRemembered {
		clear(g.seen)
	}
	g.seen[o.UID] = remembered{o.Revision, refs}
	return refs
}

// references lists what a kubelet has to read to run a pod. A mirror pod refers
// to nothing: its node made it up.
func references(pod *corev1.Pod) map[ref]bool {
	refs := map[ref]bool{}
	if pod.Annotations[corev1.MirrorPodAnnotationKey] != "" {
		return refs
	}
	add := func(resource, name string) {
		if name != "" {
			refs[ref{resource, pod.Namespace, name}] = true
		}
	}
	add("serviceaccounts", pod.Spec.ServiceAccountName)
	for _, s := range pod.Spec.ImagePullSecrets {
		add("secrets", s.Name)
	}
	for i := range pod.Spec.Volumes {
		volumeReferences(pod, &pod.Spec.Volumes[i], add)
	}
	containers := make([]*corev1.Container, 0, 8)
	for i := range pod.Spec.InitContainers {
		containers = append(containers, &pod.Spec.InitContainers[i])
	}
	for i := range pod.Spec.Containers {
		containers = append(containers, &pod.Spec.Containers[i])
	}
	for i := range pod.Spec.EphemeralContainers {
		c := corev1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		containers = append(containers, &c)
	}
	for _, c := range containers {
		environment(c, add)
	}
	for _, c := range pod.Spec.ResourceClaims {
		if c.ResourceClaimName != nil {
			add("resourceclaims", *c.ResourceClaimName)
		}
	}
	for _, s := range pod.Status.ResourceClaimStatuses {
		if s.ResourceClaimName != nil {
			add("resourceclaims", *s.ResourceClaimName)
		}
	}
	return refs
}

func environment(c *corev1.Container, add func(resource, name string)) {
	for _, from := range c.EnvFrom {
		if from.SecretRef != nil {
			add("secrets", from.SecretRef.Name)
		}
		if from.ConfigMapRef != nil {
			add("configmaps", from.ConfigMapRef.Name)
		}
	}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			continue
		}
		if s := e.ValueFrom.SecretKeyRef; s != nil {
			add("secrets", s.Name)
		}
		if m := e.ValueFrom.ConfigMapKeyRef; m != nil {
			add("configmaps", m.Name)
		}
	}
}

func volumeReferences(pod *corev1.Pod, v *corev1.Volume, add func(resource, name string)) {
	local := func(r *corev1.LocalObjectReference) {
		if r != nil {
			add("secrets", r.Name)
		}
	}
	switch {
	case v.Secret != nil:
		add("secrets", v.Secret.SecretName)
	case v.ConfigMap != nil:
		add("configmaps", v.ConfigMap.Name)
	case v.PersistentVolumeClaim != nil:
		add("persistentvolumeclaims", v.PersistentVolumeClaim.ClaimName)
	case v.Ephemeral != nil:
		add("persistentvolumeclaims", pod.Name+"-"+v.Name)
	case v.Projected != nil:
		for _, s := range v.Projected.Sources {
			if s.Secret != nil {
				add("secrets", s.Secret.Name)
			}
			if s.ConfigMap != nil {
				add("configmaps", s.ConfigMap.Name)
			}
		}
	case v.AzureFile != nil:
		add("secrets", v.AzureFile.SecretName)
	case v.CephFS != nil:
		local(v.CephFS.SecretRef)
	case v.Cinder != nil:
		local(v.Cinder.SecretRef)
	case v.FlexVolume != nil:
		local(v.FlexVolume.SecretRef)
	case v.RBD != nil:
		local(v.RBD.SecretRef)
	case v.ScaleIO != nil:
		local(v.ScaleIO.SecretRef)
	case v.ISCSI != nil:
		local(v.ISCSI.SecretRef)
	case v.StorageOS != nil:
		local(v.StorageOS.SecretRef)
	case v.CSI != nil:
		local(v.CSI.NodePublishSecretRef)
	}
}

// volumeIsUsed tells whether a pod of the node claims a volume.
func (g *graph) volumeIsUsed(node, name string) bool {
	pv, ok := decoded[*corev1.PersistentVolume](g, "", "persistentvolumes", name)
	if !ok || pv.Spec.ClaimRef == nil {
		return false
	}
	want := ref{"persistentvolumeclaims", pv.Spec.ClaimRef.Namespace, pv.Spec.ClaimRef.Name}
	for _, pod := range g.podsOf(node, want.namespace) {
		if g.refsOf(pod)[want] {
			return true
		}
	}
	return false
}

// volumeSecret tells whether a secret is one that a claimed volume's driver
// needs.
func (g *graph) volumeSecret(refs map[ref]bool, want ref) bool {
	for r := range refs {
		if r.resource != "persistentvolumeclaims" {
			continue
		}
		store := g.registry.Store("", "persistentvolumeclaims")
		if store == nil {
			return false
		}
		o, err := store.Get(context.Background(), r.namespace, r.name, registry.GetOptions{})
		if err != nil {
			continue
		}
		obj, err := store.Decode(o)
		if err != nil {
			continue
		}
		pv, ok := decoded[*corev1.PersistentVolume](g, "", "persistentvolumes", obj.(*corev1.PersistentVolumeClaim).Spec.VolumeName)
		if ok && hasSecret(pv, r.namespace, want) {
			return true
		}
	}
	return false
}

// hasSecret tells whether a volume names a secret; references without a
// namespace are into the claim's.
func hasSecret(pv *corev1.PersistentVolume, claimNamespace string, want ref) bool {
	is := func(s *corev1.SecretReference) bool {
		if s == nil || s.Name != want.name {
			return false
		}
		return s.Namespace == want.namespace || s.Namespace == "" && claimNamespace == want.namespace
	}
	src := &pv.Spec.PersistentVolumeSource
	switch {
	case src.CSI != nil:
		return is(src.CSI.NodePublishSecretRef) || is(src.CSI.NodeStageSecretRef) || is(src.CSI.NodeExpandSecretRef) || is(src.CSI.ControllerPublishSecretRef)
	case src.AzureFile != nil:
		namespace := claimNamespace
		if src.AzureFile.SecretNamespace != nil {
			namespace = *src.AzureFile.SecretNamespace
		}
		return src.AzureFile.SecretName == want.name && namespace == want.namespace
	case src.CephFS != nil:
		return is(src.CephFS.SecretRef)
	case src.Cinder != nil:
		return is(src.Cinder.SecretRef)
	case src.FlexVolume != nil:
		return is(src.FlexVolume.SecretRef)
	case src.RBD != nil:
		return is(src.RBD.SecretRef)
	case src.ScaleIO != nil:
		return is(src.ScaleIO.SecretRef)
	case src.ISCSI != nil:
		return is(src.ISCSI.SecretRef)
	}
	return false
}

func (g *graph) attachmentIsOf(node, name string) bool {
	a, ok := decoded[*storagev1.VolumeAttachment](g, storagev1.GroupName, "volumeattachments", name)
	return ok && a.Spec.NodeName == node
}

func (g *graph) sliceIsOf(node, name string) bool {
	s, ok := decoded[*resourcev1.ResourceSlice](g, resourcev1.GroupName, "resourceslices", name)
	return ok && s.Spec.NodeName != nil && *s.Spec.NodeName == node
}

// decoded reads a cluster-scoped object.
func decoded[T metav1.Object](g *graph, group, resource, name string) (obj T, ok bool) {
	store := g.registry.Store(group, resource)
	if store == nil || name == "" {
		return obj, false
	}
	o, err := store.Get(context.Background(), "", name, registry.GetOptions{})
	if err != nil {
		return obj, false
	}
	any, err := store.Decode(o)
	if err != nil {
		return obj, false
	}
	obj, ok = any.(T)
	return obj, ok
}
