package quota

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
)

var serviceCount = countName("", "services")

// servicesEvaluator counts services, load balancers and node ports. Node ports
// are those that a service is going to get: they are given out later.
var servicesEvaluator = &evaluator{
	resource: "services",
	handles:  written,
	counts: func(name corev1.ResourceName) bool {
		switch name {
		case serviceCount, corev1.ResourceServices, corev1.ResourceServicesNodePorts, corev1.ResourceServicesLoadBalancers:
			return true
		}
		return false
	},
	use: func(obj runtime.Object) corev1.ResourceList {
		s, ok := obj.(*corev1.Service)
		if !ok {
			return nil
		}
		use := corev1.ResourceList{serviceCount: one(), corev1.ResourceServices: one()}
		ports := len(s.Spec.Ports)
		switch s.Spec.Type {
		case corev1.ServiceTypeNodePort:
		case corev1.ServiceTypeLoadBalancer:
			use[corev1.ResourceServicesLoadBalancers] = one()
			if allocate := s.Spec.AllocateLoadBalancerNodePorts; allocate != nil && !*allocate {
				ports = chosenPorts(s)
			}
		default:
			ports = 0
		}
		if ports > 0 {
			use[corev1.ResourceServicesNodePorts] = *resource.NewQuantity(int64(ports), resource.DecimalSI)
		}
		return use
	},
}

func chosenPorts(s *corev1.Service) int {
	n := 0
	for i := range s.Spec.Ports {
		if s.Spec.Ports[i].NodePort != 0 {
			n++
		}
	}
	return n
}
