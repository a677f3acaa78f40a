package validate

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	containerResources = sets.New(corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage)

	// countedResources are whole numbers of objects.
	countedResources = sets.New(
		corev1.ResourcePods,
		corev1.ResourceQuotas,
		corev1.ResourceServices,
		corev1.ResourceReplicationControllers,
		corev1.ResourceSecrets,
		corev1.ResourceConfigMaps,
		corev1.ResourcePersistentVolumeClaims,
		corev1.ResourceServicesNodePorts,
		corev1.ResourceServicesLoadBalancers,
	)
	quotaResources = countedResources.Union(containerResources).Insert(
		corev1.ResourceRequestsCPU,
		corev1.ResourceRequestsMemory,
		corev1.ResourceRequestsStorage,
		corev1.ResourceRequestsEphemeralStorage,
		corev1.ResourceLimitsCPU,
		corev1.ResourceLimitsMemory,
		corev1.ResourceLimitsEphemeralStorage,
	)
	standardResources = quotaResources.Clone().Insert(corev1.ResourceStorage)
)

// IsHugePageResource tells hugepages-SIZE.
func IsHugePageResource(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

func isQuotaHugePageResource(name corev1.ResourceName) bool {
	return IsHugePageResource(name) || strings.HasPrefix(string(name), corev1.ResourceRequestsHugePagesPrefix)
}

// IsNativeResource tells a resource of Kubernetes itself: without a domain, or
// with one of kubernetes.io.
func IsNativeResource(name corev1.ResourceName) bool {
	return !strings.Contains(string(name), "/") || strings.Contains(string(name), corev1.ResourceDefaultNamespacePrefix)
}

// IsExtendedResource tells a resource with a domain of somebody else, counted
// in whole numbers.
func IsExtendedResource(name corev1.ResourceName) bool {
	if IsNativeResource(name) || strings.HasPrefix(string(name), corev1.DefaultResourceRequestsPrefix) {
		return false
	}
	return len(validation.IsQualifiedName(corev1.DefaultResourceRequestsPrefix+string(name))) == 0
}

// IsOvercommitAllowed tells whether limits of a resource may be higher than
// requests.
func IsOvercommitAllowed(name corev1.ResourceName) bool {
	return IsNativeResource(name) && !IsHugePageResource(name)
}

// IsQuotaResource tells what a ResourceQuota may limit by a name without a
// domain.
func IsQuotaResource(name corev1.ResourceName) bool {
	return quotaResources.Has(name) || isQuotaHugePageResource(name)
}

func hasDomain(name corev1.ResourceName) bool { return strings.Contains(string(name), "/") }

// ResourceName wants the name of a resource: a standard one or one with a
// domain.
func ResourceName(name corev1.ResourceName, path *field.Path) field.ErrorList {
	errs := Messages(path, name, validation.IsQualifiedName(string(name)))
	if len(errs) > 0 {
		return errs
	}
	if !hasDomain(name) && !standardResources.Has(name) && !isQuotaHugePageResource(name) {
		return field.ErrorList{field.Invalid(path, name, "must be a standard resource type or fully qualified")}
	}
	return nil
}

// ContainerResourceName wants a resource that a container can ask for.
func ContainerResourceName(name corev1.ResourceName, path *field.Path) field.ErrorList {
	errs := ResourceName(name, path)
	switch {
	case !hasDomain(name):
		if !containerResources.Has(name) && !IsHugePageResource(name) {
			errs = append(errs, field.Invalid(path, name, "must be a standard resource for containers"))
		}
	case !IsNativeResource(name) && !IsExtendedResource(name):
		errs = append(errs, field.Invalid(path, name, "doesn't follow extended resource name standard"))
	}
	return errs
}

// QuotaResourceName wants a resource that a quota can limit.
func QuotaResourceName(name corev1.ResourceName, path *field.Path) field.ErrorList {
	errs := ResourceName(name, path)
	if !hasDomain(name) && !IsQuotaResource(name) {
		errs = append(errs, field.Invalid(path, name, "must be a standard resource for quota"))
	}
	return errs
}
