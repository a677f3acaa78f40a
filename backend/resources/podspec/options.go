package podspec

import (
	"strconv"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Options say how strictly a pod spec is validated. The zero value is for a
// template of a new object on a server without --allow-privileged. What begins
// with Allow is for updates: what the old object already has wrong, since it
// was stored before Kubernetes looked at it, may stay wrong.
type Options struct {
	// AllowPrivileged is the server's --allow-privileged.
	AllowPrivileged bool
	// Pod tells that the spec is a pod's own and not a template's.
	Pod bool

	AllowInvalidDeletionCost             bool
	AllowInvalidSelectorValues           bool
	AllowInvalidSpreadSelectors          bool
	AllowInvalidNodeAffinityValues       bool
	AllowIndivisibleHugePages            bool
	AllowNonLocalTokenPath               bool
	AllowNamespacedSysctlsOnHost         bool
	AllowVolumeDevicesWithoutHostUsers   bool
	AllowRestartOfInitContainersOnResize bool
	// LegacySpreadKeys validates matchLabelKeys of spread constraints as before
	// Kubernetes 1.34, when they were not merged into the selector.
	LegacySpreadKeys bool
}

// ForCreate are the options for a new object.
func ForCreate(allowPrivileged bool) Options {
	return Options{AllowPrivileged: allowPrivileged}
}

// ForUpdate are the options for an update of an object that holds old.
func ForUpdate(allowPrivileged bool, old *v1.PodSpec, oldMeta *metav1.ObjectMeta) Options {
	o := ForCreate(allowPrivileged)
	if _, err := deletionCost(oldMeta.Annotations); err != nil {
		o.AllowInvalidDeletionCost = true
	}
	o.AllowInvalidSelectorValues = hasInvalidAffinitySelector(old.Affinity)
	o.AllowInvalidNodeAffinityValues = hasInvalidNodeAffinityValue(old.Affinity)
	o.AllowInvalidSpreadSelectors, o.LegacySpreadKeys = spreadFaults(old.TopologySpreadConstraints)
	o.AllowIndivisibleHugePages = hasIndivisibleHugePages(old)
	o.AllowNonLocalTokenPath = hasNonLocalTokenPath(old.Volumes)
	o.AllowNamespacedSysctlsOnHost = hasHostSysctl(old)
	withoutHostUsers := old.HostUsers != nil && !*old.HostUsers
	visitContainers(old, nil, func(c *v1.Container, _ *field.Path) {
		if withoutHostUsers && len(c.VolumeDevices) > 0 {
			o.AllowVolumeDevicesWithoutHostUsers = true
		}
	})
	for i := range old.InitContainers {
		c := &old.InitContainers[i]
		for _, p := range c.ResizePolicy {
			if !isSidecar(c) && p.RestartPolicy == v1.RestartContainer {
				o.AllowRestartOfInitContainersOnResize = true
			}
		}
	}
	return o
}

// AsPod are the same options for a pod itself.
func (o Options) AsPod() Options {
	o.Pod = true
	return o
}

func deletionCost(annotations map[string]string) (int32, error) {
	value, there := annotations[v1.PodDeletionCost]
	if !there {
		return 0, nil
	}
	// "+5" and "05" are integers to Go and not to Kubernetes.
	if len(value) > 1 && (value[0] == '+' || value[0] == '0') {
		return 0, strconv.ErrSyntax
	}
	cost, err := strconv.ParseInt(value, 10, 32)
	return int32(cost), err
}

func hasInvalidSelector(s *metav1.LabelSelector) bool {
	return len(metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{}, nil)) > 0
}

func hasInvalidAffinitySelector(a *v1.Affinity) bool {
	if a == nil {
		return false
	}
	invalid := false
	look := func(required []v1.PodAffinityTerm, preferred []v1.WeightedPodAffinityTerm) {
		for i := range required {
			invalid = invalid || hasInvalidSelector(required[i].LabelSelector) || hasInvalidSelector(required[i].NamespaceSelector)
		}
		for i := range preferred {
			t := &preferred[i].PodAffinityTerm
			invalid = invalid || hasInvalidSelector(t.LabelSelector) || hasInvalidSelector(t.NamespaceSelector)
		}
	}
	if p := a.PodAffinity; p != nil {
		look(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if p := a.PodAntiAffinity; p != nil {
		look(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	return invalid
}

func hasInvalidNodeAffinityValue(a *v1.Affinity) bool {
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return false
	}
	return validate.HasInvalidNodeSelectorValue(a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms)
}

func spreadFaults(constraints []v1.TopologySpreadConstraint) (selector, keys bool) {
	for i := range constraints {
		c := &constraints[i]
		selector = selector || hasInvalidSelector(c.LabelSelector)
		keys = keys || len(matchLabelKeys(nil, c.MatchLabelKeys, nil, c.LabelSelector)) > 0
	}
	return selector, keys
}

func hasIndivisibleHugePages(spec *v1.PodSpec) bool {
	indivisible := false
	visitContainers(spec, nil, func(c *v1.Container, _ *field.Path) {
		for _, list := range []v1.ResourceList{c.Resources.Limits, c.Resources.Requests} {
			for name, q := range list {
				indivisible = indivisible || validate.IsHugePageResource(name) && !isMultipleOfHugePage(name, q)
			}
		}
	})
	return indivisible
}

func hasNonLocalTokenPath(volumes []v1.Volume) bool {
	for i := range volumes {
		if volumes[i].Projected == nil {
			continue
		}
		for _, s := range volumes[i].Projected.Sources {
			if s.ServiceAccountToken != nil && len(localPath(s.ServiceAccountToken.Path, nil)) > 0 {
				return true
			}
		}
	}
	return false
}

func hasHostSysctl(spec *v1.PodSpec) bool {
	if spec.SecurityContext == nil {
		return false
	}
	for _, s := range spec.SecurityContext.Sysctls {
		if hostSysctl(s.Name, spec, nil) != nil {
			return true
		}
	}
	return false
}
