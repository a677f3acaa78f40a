package plugins

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/admission"
	"pilothouse/backend/authz/node"
	"pilothouse/backend/registry"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
)

// nodeRestriction confines what kubelets write to their own node and the pods on
// it. The Node authorizer does the same for what they read.
type nodeRestriction struct {
	handler
	pods  *lookup[*corev1.Pod]
	nodes *lookup[*corev1.Node]
}

// restricted are the resources that kubelets have a part in.
var restricted = []target{
	{"", "pods", ""}, {"", "nodes", ""}, {"", "persistentvolumeclaims", ""}, {"", "serviceaccounts", ""},
	{"coordination.k8s.io", "leases", ""}, {"storage.k8s.io", "csinodes", ""}, {"resource.k8s.io", "resourceslices", ""},
}

func newNodeRestriction(d *deps) (admission.Plugin, error) {
	handles := func(op admission.Operation, e *registry.Entry, _ string) bool {
		return op != admission.Connect && slices.Contains(restricted, target{group: e.Resource.Group, resource: e.Resource.Name})
	}
	return &nodeRestriction{
		handler{"NodeRestriction", handles},
		newLookup[*corev1.Pod](d.Registry, "", "pods"), newLookup[*corev1.Node](d.Registry, "", "nodes"),
	}, nil
}

// Mutate refuses; it changes nothing. It comes early, as in Kubernetes.
func (p *nodeRestriction) Mutate(_ context.Context, a *admission.Attributes) error {
	name, ok := node.Name(a.User)
	switch {
	case !ok:
		return nil
	case name == "":
		return admission.Forbid(a, fmt.Sprintf("could not determine node from user %q", a.User.Name))
	}
	if fault := p.fault(a, name); fault != nil {
		return admission.Forbidden(a, fault)
	}
	return nil
}

// fault says what a node may not do about a write; an API error goes out as it
// is.
func (p *nodeRestriction) fault(a *admission.Attributes, name string) error {
	switch a.Resource.Resource {
	case "pods":
		return p.pod(a, name)
	case "nodes":
		return restrictNode(a, name)
	case "persistentvolumeclaims":
		return restrictClaim(a, name)
	case "serviceaccounts":
		return p.token(a, name)
	case "leases":
		if a.Namespace != corev1.NamespaceNodeLease {
			return fmt.Errorf("can only access leases in the %q system namespace", corev1.NamespaceNodeLease)
		}
		return ownOnly(a, name, "can only access node lease with the same name as the requesting node")
	case "csinodes":
		return ownOnly(a, name, "can only access CSINode with the same name as the requesting node")
	}
	return restrictSlice(a, name)
}

// ownOnly lets a node write the object of its own name.
func ownOnly(a *admission.Attributes, name, text string) error {
	written := a.Name
	if a.Operation == admission.Create {
		if m, err := meta.Accessor(a.Object); err == nil {
			written = m.GetName()
		}
	}
	if written != name {
		return fmt.Errorf("%s", text)
	}
	return nil
}

func (p *nodeRestriction) pod(a *admission.Attributes, name string) error {
	switch a.Subresource {
	case "":
	case "status":
		return restrictStatus(a, name)
	case "eviction":
		return p.eviction(a, name)
	default:
		return fmt.Errorf("unexpected pod subresource %q, only 'status' and 'eviction' are allowed", a.Subresource)
	}
	switch a.Operation {
	case admission.Create:
		return p.mirror(a, name)
	case admission.Delete:
		if old, ok := a.Old.(*corev1.Pod); ok && old.Spec.NodeName != name {
			return fmt.Errorf("node %q can only delete pods with spec.nodeName set to itself", name)
		}
		return nil
	}
	return fmt.Errorf("unexpected operation %q, node %q can only create and delete mirror pods", a.Operation, name)
}

// mirror is a pod that a node runs by itself and shows in the API.
func (p *nodeRestriction) mirror(a *admission.Attributes, name string) error {
	pod, err := podOf(a)
	if err != nil {
		return err
	}
	if !isMirror(pod) {
		return fmt.Errorf("pod does not have %q annotation, node %q can only create mirror pods", corev1.MirrorPodAnnotationKey, name)
	}
	if pod.Spec.NodeName != name {
		return fmt.Errorf("node %q can only create pods with spec.nodeName set to itself", name)
	}
	if err := p.mirrorOwner(pod, name); err != nil {
		return err
	}
	for _, no := range []struct {
		what string
		used bool
	}{
		{"a service account", pod.Spec.ServiceAccountName != ""},
		{"secrets", usesSecrets(pod)},
		{"configmaps", usesConfigMaps(pod)},
		{"clustertrustbundles", slices.ContainsFunc(pod.Spec.Volumes, usesBundle)},
		{"persistentvolumeclaims", slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil })},
		{"resourceclaims", len(pod.Spec.ResourceClaims) > 0},
	} {
		if no.used {
			return fmt.Errorf("node %q can not create pods that reference %s", name, no.what)
		}
	}
	return nil
}

func (p *nodeRestriction) mirrorOwner(pod *corev1.Pod, name string) error {
	if len(pod.OwnerReferences) > 1 {
		return fmt.Errorf("node %q can only create pods with a single owner reference set to itself", name)
	}
	if len(pod.OwnerReferences) == 0 {
		return fmt.Errorf("node %q can only create pods with an owner reference set to itself", name)
	}
	owner := &pod.OwnerReferences[0]
	switch {
	case owner.APIVersion != "v1" || owner.Kind != "Node" || owner.Name != name:
		return fmt.Errorf("node %q can only create pods with an owner reference set to itself", name)
	case owner.Controller == nil || !*owner.Controller:
		return fmt.Errorf("node %q can only create pods with a controller owner reference set to itself", name)
	case owner.BlockOwnerDeletion != nil && *owner.BlockOwnerDeletion:
		return fmt.Errorf("node %q must not set blockOwnerDeletion on an owner reference", name)
	}
	n, ok := p.nodes.get("", name)
	if !ok {
		return apierrors.NewNotFound(corev1.Resource("nodes"), name)
	}
	if owner.UID != n.UID {
		return fmt.Errorf("node %s UID mismatch: expected %s got %s", name, owner.UID, n.UID)
	}
	return nil
}

func usesConfigMaps(pod *corev1.Pod) bool {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers, ephemeralOf(pod)} {
		for i := range list {
			if slices.ContainsFunc(list[i].EnvFrom, func(e corev1.EnvFromSource) bool { return e.ConfigMapRef != nil }) ||
				slices.ContainsFunc(list[i].Env, func(e corev1.EnvVar) bool { return e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil }) {
				return true
			}
		}
	}
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.ConfigMap != nil || v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(s corev1.VolumeProjection) bool { return s.ConfigMap != nil })
	})
}

func usesBundle(v corev1.Volume) bool {
	return v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(s corev1.VolumeProjection) bool { return s.ClusterTrustBundle != nil })
}

func restrictStatus(a *admission.Attributes, name string) error {
	old, hasOld := a.Old.(*corev1.Pod)
	next, hasNext := a.Object.(*corev1.Pod)
	switch {
	case a.Operation != admission.Update:
		return fmt.Errorf("unexpected operation %q", a.Operation)
	case !hasOld || !hasNext:
		return fmt.Errorf("unexpected type %T", a.Object)
	case old.Spec.NodeName != name:
		return fmt.Errorf("node %q can only update pod status for pods with spec.nodeName set to itself", name)
	case !equality.Semantic.DeepEqual(old.Labels, next.Labels):
		return fmt.Errorf("node %q cannot update labels through pod status", name)
	case !equality.Semantic.DeepEqual(old.Status.ResourceClaimStatuses, next.Status.ResourceClaimStatuses):
		return fmt.Errorf("node %q cannot update resource claim statuses", name)
	}
	return nil
}

func (p *nodeRestriction) eviction(a *admission.Attributes, name string) error {
	eviction, ok := a.Object.(*policyv1.Eviction)
	switch {
	case a.Operation != admission.Create:
		return fmt.Errorf("unexpected operation %s", a.Operation)
	case !ok:
		return fmt.Errorf("unexpected type %T", a.Object)
	}
	of := a.Name
	if of == "" {
		of = eviction.Name
	}
	if of == "" {
		return fmt.Errorf("could not determine pod from request data")
	}
	pod, found := p.pods.get(a.Namespace, of)
	if !found {
		return apierrors.NewNotFound(corev1.Resource("pods"), of)
	}
	if pod.Spec.NodeName != name {
		return fmt.Errorf("node %s can only evict pods with spec.nodeName set to itself", name)
	}
	return nil
}

// token lets a node ask for the tokens of pods that it runs.
func (p *nodeRestriction) token(a *admission.Attributes, name string) error {
	if a.Operation != admission.Create || a.Subresource != "token" {
		return nil
	}
	r, ok := a.Object.(*authenticationv1.TokenRequest)
	if !ok {
		return fmt.Errorf("unexpected type %T", a.Object)
	}
	ref := r.Spec.BoundObjectRef
	switch {
	case ref == nil || ref.APIVersion != "v1" || ref.Kind != "Pod" || ref.Name == "":
		return fmt.Errorf("node requested token not bound to a pod")
	case ref.UID == "":
		return fmt.Errorf("node requested token with a pod binding without a uid")
	}
	pod, found := p.pods.get(a.Namespace, ref.Name)
	switch {
	case !found:
		return apierrors.NewNotFound(corev1.Resource("pods"), ref.Name)
	case ref.UID != pod.UID:
		return fmt.Errorf("the UID in the bound object reference (%s) does not match the UID in record. The object might have been deleted and then recreated", ref.UID)
	case pod.Spec.NodeName != name:
		return fmt.Errorf("node requested token bound to a pod scheduled on a different node")
	}
	return nil
}

// restrictClaim lets a node report the state of a volume that it resizes.
func restrictClaim(a *admission.Attributes, name string) error {
	if a.Subresource != "status" {
		return fmt.Errorf("may only update PVC status")
	}
	old, hasOld := a.Old.(*corev1.PersistentVolumeClaim)
	next, hasNext := a.Object.(*corev1.PersistentVolumeClaim)
	switch {
	case a.Operation != admission.Update:
		return fmt.Errorf("unexpected operation %q", a.Operation)
	case !hasOld || !hasNext:
		return fmt.Errorf("unexpected type %T", a.Object)
	}
	before, after := old.DeepCopy(), next.DeepCopy()
	for _, c := range []*corev1.PersistentVolumeClaim{before, after} {
		c.TypeMeta, c.ResourceVersion, c.ManagedFields = old.TypeMeta, "", nil
		c.Status.Capacity, c.Status.Conditions = nil, nil
		c.Status.AllocatedResources, c.Status.AllocatedResourceStatuses = nil, nil
	}
	if !equality.Semantic.DeepEqual(before, after) {
		return fmt.Errorf("node %q is not allowed to update fields other than status.quantity and status.conditions", name)
	}
	return nil
}

// restrictSlice lets a node publish its own devices.
func restrictSlice(a *admission.Attributes, name string) error {
	obj := a.Object
	if obj == nil {
		obj = a.Old
	}
	slice, ok := obj.(*resourcev1.ResourceSlice)
	if !ok || slice.Spec.NodeName != nil && *slice.Spec.NodeName == name {
		return nil
	}
	return fmt.Errorf("can only %s ResourceSlice with the same NodeName as the requesting node", strings.ToLower(string(a.Operation)))
}
