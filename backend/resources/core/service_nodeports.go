package core

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func nodePortPath(i int) *field.Path { return specPath.Child("ports").Index(i).Child("nodePort") }

// wantsNodePorts tells whether ports that name no node port get one.
func wantsNodePorts(svc *corev1.Service) bool {
	switch svc.Spec.Type {
	case corev1.ServiceTypeNodePort:
		return true
	case corev1.ServiceTypeLoadBalancer:
		return svc.Spec.AllocateLoadBalancerNodePorts == nil || *svc.Spec.AllocateLoadBalancerNodePorts
	}
	return false
}

// initNodePorts gives a new Service its node ports. Ports of the same number,
// for TCP and UDP, share one unless the client names two.
func (w *serviceWrite) initNodePorts() error {
	if !needsNodePort(w.svc) {
		return nil
	}
	byPort := map[int32]int32{}
	ports := w.svc.Spec.Ports
	for i := range ports {
		p := &ports[i]
		if p.NodePort == 0 && !wantsNodePorts(w.svc) {
			continue
		}
		given := byPort[p.Port]
		switch {
		case given == 0:
			if err := w.takePort(i, requestedNodePort(p.Port, ports)); err != nil {
				return err
			}
			byPort[p.Port] = p.NodePort
		case p.NodePort == 0:
			p.NodePort = given
		case p.NodePort != given:
			if err := w.takePort(i, p.NodePort); err != nil {
				return err
			}
		}
	}
	return nil
}

// requestedNodePort is the node port that the client names for any of the ports
// of one number.
func requestedNodePort(port int32, ports []corev1.ServicePort) int32 {
	for _, p := range ports {
		if p.Port == port && p.NodePort != 0 {
			return p.NodePort
		}
	}
	return 0
}

// takePort gives port i a node port: the named one, or any when it is zero.
func (w *serviceWrite) takePort(i int, named int32) error {
	op, err := w.op()
	if err != nil {
		return err
	}
	p := &w.svc.Spec.Ports[i]
	if named == 0 {
		port, err := op.AllocateNext()
		if err != nil {
			return apierrors.NewInternalError(fmt.Errorf("failed to allocate a nodePort: %w", err))
		}
		p.NodePort = int32(port)
		return nil
	}
	if err := op.Allocate(int(named)); err != nil {
		return invalidService(w.svc, field.Invalid(nodePortPath(i), named, err.Error()))
	}
	p.NodePort = named
	return nil
}

func (w *serviceWrite) updateNodePorts(old *corev1.Service) error {
	if !needsNodePort(old) && !needsNodePort(w.svc) {
		return nil
	}
	had := nodePortsOf(old)
	if !needsNodePort(w.svc) {
		return w.releasePorts(had)
	}
	type protocolPort struct {
		protocol corev1.Protocol
		port     int32
	}
	seen := map[protocolPort]bool{}
	var taken []int
	ports := w.svc.Spec.Ports
	for i := range ports {
		p := &ports[i]
		if p.NodePort == 0 && !wantsNodePorts(w.svc) {
			continue
		}
		if port := int(p.NodePort); port == 0 || (!slices.Contains(had, port) && !slices.Contains(taken, port)) {
			if err := w.takePort(i, p.NodePort); err != nil {
				return err
			}
			taken = append(taken, int(p.NodePort))
		}
		key := protocolPort{p.Protocol, p.NodePort}
		if seen[key] {
			return invalidService(w.svc, field.Duplicate(nodePortPath(i), p.NodePort))
		}
		seen[key] = true
	}
	has := nodePortsOf(w.svc)
	return w.releasePorts(slices.DeleteFunc(had, func(port int) bool { return slices.Contains(has, port) }))
}

func (w *serviceWrite) releasePorts(ports []int) error {
	if len(ports) == 0 {
		return nil
	}
	op, err := w.op()
	if err != nil {
		return err
	}
	for _, port := range ports {
		op.Release(port)
	}
	return nil
}

// allocateHealthCheckPort gives a load balancer with local traffic its health
// check port.
func (w *serviceWrite) allocateHealthCheckPort() error {
	op, err := w.op()
	if err != nil {
		return err
	}
	spec := &w.svc.Spec
	if port := spec.HealthCheckNodePort; port != 0 {
		if err := op.Allocate(int(port)); err != nil {
			return apierrors.NewInternalError(fmt.Errorf("failed to allocate requested HealthCheck NodePort %v: %w", port, err))
		}
		return nil
	}
	port, err := op.AllocateNext()
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("failed to allocate a HealthCheck NodePort %v: %w", port, err))
	}
	spec.HealthCheckNodePort = int32(port)
	return nil
}

func (w *serviceWrite) updateHealthCheckPort(old *corev1.Service) error {
	switch needed, needs := needsHealthCheck(old), needsHealthCheck(w.svc); {
	case !needed && needs:
		return w.allocateHealthCheckPort()
	case needed && !needs:
		return w.releasePorts([]int{int(old.Spec.HealthCheckNodePort)})
	}
	return nil
}
