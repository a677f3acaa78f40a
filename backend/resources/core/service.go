package core

import (
	"context"
	"slices"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func serviceResource(env *registry.Env) registry.Resource {
	spec := corev1.ServiceSpec{}.SwaggerDoc()
	alloc := newServiceAllocator(env)
	status := registry.For[*corev1.Service]{
		PrepareForUpdate: func(_ context.Context, svc, old *corev1.Service) { svc.Spec = old.Spec },
		ValidateUpdate:   validateServiceStatusUpdate,
		WarningsOnUpdate: serviceStatusWarnings,
		ResetFields:      map[string][]string{"v1": {"spec"}},
	}.Strategy()
	return registry.Resource{
		Name:       "services",
		Singular:   "service",
		Kind:       "Service",
		ShortNames: []string{"svc"},
		Categories: []string{"all"},
		Namespaced: true,
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &corev1.Service{} },
			Default: registry.Typed(defaultService),
		}},
		Strategy: registry.For[*corev1.Service]{
			ValidateName:     apivalidation.NameIsDNSLabel,
			BeginCreate:      alloc.beginCreate,
			BeginUpdate:      alloc.beginUpdate,
			AfterDelete:      alloc.afterDelete,
			PrepareForCreate: func(_ context.Context, svc *corev1.Service) { svc.Status = corev1.ServiceStatus{} },
			PrepareForUpdate: func(_ context.Context, svc, old *corev1.Service) {
				svc.Status = old.Status
				dropTypeDependentFields(svc, old)
			},
			Validate:            func(_ context.Context, svc *corev1.Service) field.ErrorList { return validateService(svc, nil) },
			ValidateUpdate:      validateServiceUpdate,
			WarningsOnCreate:    func(_ context.Context, svc *corev1.Service) []string { return serviceWarnings(svc) },
			WarningsOnUpdate:    func(_ context.Context, svc, _ *corev1.Service) []string { return serviceWarnings(svc) },
			AllowCreateOnUpdate: true,
			DeleteReturnsObject: true,
			ResetFields:         map[string][]string{"v1": {"status"}},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Type", spec["type"]),
			printers.Column("Cluster-IP", spec["clusterIP"]),
			printers.Column("External-IP", spec["externalIPs"]),
			printers.Column("Port(s)", spec["ports"]),
			printers.Age,
			printers.Wide("Selector", spec["selector"]),
		},
		Cells: registry.Row(serviceCells),
		Fields: []registry.Field{
			registry.FieldOf("spec.clusterIP", func(s *corev1.Service) string { return s.Spec.ClusterIP }),
			registry.FieldOf("spec.type", func(s *corev1.Service) string { return string(s.Spec.Type) }),
		},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: viewVerbs, Strategy: &status},
			connecting(env, registry.Subresource{Name: "proxy", Verbs: proxyVerbs, Kind: "ServiceProxyOptions"}, proxyMethods,
				newObject[corev1.ServiceProxyOptions](), func(s *registry.Streams) registry.Connect { return s.ServiceProxy }),
		},
	}
}

func defaultService(svc *corev1.Service) {
	spec := &svc.Spec
	setDefault(&spec.SessionAffinity, corev1.ServiceAffinityNone)
	switch spec.SessionAffinity {
	case corev1.ServiceAffinityNone:
		spec.SessionAffinityConfig = nil
	case corev1.ServiceAffinityClientIP:
		if c := spec.SessionAffinityConfig; c == nil || c.ClientIP == nil || c.ClientIP.TimeoutSeconds == nil {
			spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{
				ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: new(corev1.DefaultClientIPServiceAffinitySeconds)},
			}
		}
	}
	setDefault(&spec.Type, corev1.ServiceTypeClusterIP)
	for i := range spec.Ports {
		p := &spec.Ports[i]
		setDefault(&p.Protocol, corev1.ProtocolTCP)
		if p.TargetPort == intstr.FromInt32(0) || p.TargetPort == intstr.FromString("") {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
	if externallyAccessible(svc) {
		setDefault(&spec.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
	}
	if needsClusterIP(svc) {
		setDefaultPointer(&spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
	}
	if spec.Type != corev1.ServiceTypeLoadBalancer {
		return
	}
	setDefaultPointer(&spec.AllocateLoadBalancerNodePorts, true)
	for i := range svc.Status.LoadBalancer.Ingress {
		if in := &svc.Status.LoadBalancer.Ingress[i]; in.IP != "" {
			setDefaultPointer(&in.IPMode, corev1.LoadBalancerIPModeVIP)
		}
	}
}

func externallyAccessible(svc *corev1.Service) bool {
	switch svc.Spec.Type {
	case corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort:
		return true
	case corev1.ServiceTypeClusterIP:
		return len(svc.Spec.ExternalIPs) > 0
	}
	return false
}

// needsHealthCheck tells a load balancer that asks each node whether it has
// endpoints.
func needsHealthCheck(svc *corev1.Service) bool {
	return svc.Spec.Type == corev1.ServiceTypeLoadBalancer && svc.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
}

func needsClusterIP(svc *corev1.Service) bool {
	switch svc.Spec.Type {
	case corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer:
		return true
	}
	return false
}

func needsNodePort(svc *corev1.Service) bool {
	return svc.Spec.Type == corev1.ServiceTypeNodePort || svc.Spec.Type == corev1.ServiceTypeLoadBalancer
}

func isHeadless(svc *corev1.Service) bool {
	return len(svc.Spec.ClusterIPs) == 1 && svc.Spec.ClusterIPs[0] == corev1.ClusterIPNone
}

// dropTypeDependentFields takes out what a Service's old type needed and its
// new one does not, unless the client changed it in the same request.
func dropTypeDependentFields(svc, old *corev1.Service) {
	spec, was := &svc.Spec, &old.Spec
	if needsClusterIP(old) && !needsClusterIP(svc) {
		if slices.Equal(spec.ClusterIPs, was.ClusterIPs) {
			spec.ClusterIP, spec.ClusterIPs = "", nil
		}
		if slices.Equal(spec.IPFamilies, was.IPFamilies) {
			spec.IPFamilies = nil
		}
		dropIfSame(&spec.IPFamilyPolicy, was.IPFamilyPolicy)
		dropIfSame(&spec.InternalTrafficPolicy, was.InternalTrafficPolicy)
	}
	if needsNodePort(old) && !needsNodePort(svc) && sameNodePorts(spec.Ports, was.Ports) {
		for i := range spec.Ports {
			spec.Ports[i].NodePort = 0
		}
	}
	if needsHealthCheck(old) && !needsHealthCheck(svc) && spec.HealthCheckNodePort == was.HealthCheckNodePort {
		spec.HealthCheckNodePort = 0
	}
	if isLoadBalancer(old) && !isLoadBalancer(svc) {
		dropIfSame(&spec.AllocateLoadBalancerNodePorts, was.AllocateLoadBalancerNodePorts)
		dropIfSame(&spec.LoadBalancerClass, was.LoadBalancerClass)
	}
	if externallyAccessible(old) && !externallyAccessible(svc) && spec.ExternalTrafficPolicy == was.ExternalTrafficPolicy {
		spec.ExternalTrafficPolicy = ""
	}
	if !isLoadBalancer(svc) {
		svc.Status.LoadBalancer = corev1.LoadBalancerStatus{}
	}
}

func isLoadBalancer(svc *corev1.Service) bool {
	return svc.Spec.Type == corev1.ServiceTypeLoadBalancer
}

func dropIfSame[T comparable](p **T, old *T) {
	if samePointer(*p, old) {
		*p = nil
	}
}

func samePointer[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// sameNodePorts tells whether two lists of ports use the same node ports, in
// any order.
func sameNodePorts(a, b []corev1.ServicePort) bool {
	ports := func(list []corev1.ServicePort) []int32 {
		var out []int32
		for _, p := range list {
			if p.NodePort != 0 {
				out = append(out, p.NodePort)
			}
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return slices.Equal(ports(a), ports(b))
}

func serviceCells(svc *corev1.Service, now registry.Clock) []any {
	clusterIP := "<none>"
	if len(svc.Spec.ClusterIPs) > 0 {
		clusterIP = svc.Spec.ClusterIPs[0]
	}
	return []any{
		svc.Name,
		string(svc.Spec.Type),
		clusterIP,
		serviceExternalIP(svc),
		servicePorts(svc.Spec.Ports),
		printers.Since(svc.CreationTimestamp, now),
		labels.FormatLabels(svc.Spec.Selector),
	}
}
