package bootstrap

import (
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Options are what the objects depend on.
type Options struct {
	Now time.Time
	// ServiceIPRange is what the service "kubernetes" has the first address of.
	ServiceIPRange netip.Prefix
	// Port is the secure port of the server.
	Port int
	// Versions are the group versions that the server has itself, for their
	// APIServices.
	Versions []schema.GroupVersion
}

// objects gives everything, in waves: a wave needs only those before it.
func objects(o Options) [][]object {
	rest := []object{serviceCIDR(o), tokenTracking(o)}
	rest = append(rest, priorityClasses()...)
	rest = append(rest, flowControl(o)...)
	rest = append(rest, apiServices(o)...)
	return [][]object{
		namespaces(),
		rest,
		{kubernetesService(o)}, // its address comes out of the range above
	}
}

func group(name, resource string) schema.GroupResource {
	return schema.GroupResource{Group: name, Resource: resource}
}

func namespaces() []object {
	var list []object
	for _, name := range []string{"default", "kube-node-lease", "kube-public", "kube-system"} {
		list = append(list, object{gr: group("", "namespaces"), obj: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{corev1.LabelMetadataName: name},
		}, Spec: corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}}}})
	}
	return list
}

// tokenTracking says since when the use of tokens in secrets is noted.
func tokenTracking(o Options) object {
	return object{gr: group("", "configmaps"), obj: &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "kube-apiserver-legacy-service-account-token-tracking", Namespace: metav1.NamespaceSystem},
		Data:       map[string]string{"since": o.Now.UTC().Format(time.DateOnly)},
	}}
}

// kubernetesService is the API as pods see it.
func kubernetesService(o Options) object {
	ip := o.ServiceIPRange.Addr().Next()
	family := corev1.IPv4Protocol
	if ip.Is6() {
		family = corev1.IPv6Protocol
	}
	single := corev1.IPFamilyPolicySingleStack
	internal := corev1.ServiceInternalTrafficPolicyCluster
	return object{gr: group("", "services"), obj: &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name: "kubernetes", Namespace: "default", Labels: map[string]string{"component": "apiserver", "provider": "kubernetes"},
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: ip.String(), ClusterIPs: []string{ip.String()},
			Ports:           []corev1.ServicePort{{Name: "https", Protocol: corev1.ProtocolTCP, Port: 443, TargetPort: intstr.FromInt(o.Port)}},
			SessionAffinity: corev1.ServiceAffinityNone, IPFamilies: []corev1.IPFamily{family}, IPFamilyPolicy: &single,
			InternalTrafficPolicy: &internal,
		},
	}}
}

func serviceCIDR(o Options) object {
	cidr := &networkingv1.ServiceCIDR{
		ObjectMeta: metav1.ObjectMeta{Name: "kubernetes"},
		Spec:       networkingv1.ServiceCIDRSpec{CIDRs: []string{o.ServiceIPRange.Masked().String()}},
	}
	ready := cidr.DeepCopy()
	ready.Status.Conditions = []metav1.Condition{{
		Type: "Ready", Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(o.Now),
		Message: "Kubernetes default Service CIDR is ready",
	}}
	return object{group("networking.k8s.io", "servicecidrs"), cidr, ready}
}

func priorityClasses() []object {
	class := func(name string, value int32, description string) object {
		preempt := corev1.PreemptLowerPriority
		return object{gr: group("scheduling.k8s.io", "priorityclasses"), obj: &schedulingv1.PriorityClass{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Value: value, Description: description, PreemptionPolicy: &preempt,
		}}
	}
	return []object{
		class("system-cluster-critical", 2000000000, "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."),
		class("system-node-critical", 2000001000, "Used for system critical pods that must not be moved from their current node."),
	}
}
