package quota

import (
	"strings"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
)

var (
	claimCount         = countName("", "persistentvolumeclaims")
	resourceClaimCount = countName("resource.k8s.io", "resourceclaims")
)

// byStorageClass joins the name of a storage class with what of it is limited.
const byStorageClass = ".storageclass.storage.k8s.io/"

// claimsEvaluator counts claims and the storage that they ask for, altogether
// and by storage class.
var claimsEvaluator = &evaluator{
	resource: "persistentvolumeclaims",
	handles: func(op admission.Operation, subresource string) bool {
		return written(op, subresource) || op == admission.Update && subresource == "status"
	},
	counts: func(name corev1.ResourceName) bool {
		if name == claimCount {
			return true
		}
		text := string(name)
		if _, limited, ok := strings.Cut(text, byStorageClass); ok {
			text = limited
		}
		return text == string(corev1.ResourcePersistentVolumeClaims) || text == string(corev1.ResourceRequestsStorage)
	},
	use:     claimUse,
	inScope: claimInScope,
}

func claimUse(obj runtime.Object) corev1.ResourceList {
	c, ok := obj.(*corev1.PersistentVolumeClaim)
	if !ok {
		return nil
	}
	use := corev1.ResourceList{corev1.ResourcePersistentVolumeClaims: one(), claimCount: one()}
	if q, there := claimStorage(c); there {
		use[corev1.ResourceRequestsStorage] = q
	}
	class, old := c.Annotations[corev1.BetaStorageClassAnnotation]
	if !old && c.Spec.StorageClassName != nil {
		class = *c.Spec.StorageClassName
	}
	if class != "" {
		of := corev1.ResourceName(class + byStorageClass)
		use[of+corev1.ResourcePersistentVolumeClaims] = one()
		if q, there := use[corev1.ResourceRequestsStorage]; there {
			use[of+corev1.ResourceRequestsStorage] = q
		}
	}
	return use
}

// claimStorage is what a claim asks for or, when that is more, what it has been
// given already, in whole bytes.
func claimStorage(c *corev1.PersistentVolumeClaim) (resource.Quantity, bool) {
	asked, there := c.Spec.Resources.Requests[corev1.ResourceStorage]
	if !there {
		return asked, false
	}
	if given, ok := c.Status.AllocatedResources[corev1.ResourceStorage]; ok && given.Cmp(asked) > 0 {
		asked = given
	}
	asked = asked.DeepCopy()
	asked.RoundUp(0)
	return asked, true
}

func claimInScope(s *corev1.ScopedResourceSelectorRequirement, obj runtime.Object) bool {
	c, ok := obj.(*corev1.PersistentVolumeClaim)
	if !ok || s.ScopeName != corev1.ResourceQuotaScopeVolumeAttributesClass {
		return false
	}
	classes := attributesClasses(c)
	if s.Operator == corev1.ScopeSelectorOpExists {
		return len(classes) > 0
	}
	if len(classes) == 0 {
		return valueInScope(s, "")
	}
	for class := range classes {
		if valueInScope(s, class) {
			return true
		}
	}
	return false
}

// attributesClasses are the volume attributes classes that a claim has to do
// with: the one it wants, the one it has, the one it is on its way to.
func attributesClasses(c *corev1.PersistentVolumeClaim) sets.Set[string] {
	classes := sets.New[string]()
	for _, p := range []*string{c.Spec.VolumeAttributesClassName, c.Status.CurrentVolumeAttributesClassName} {
		if p != nil && *p != "" {
			classes.Insert(*p)
		}
	}
	if m := c.Status.ModifyVolumeStatus; m != nil && m.TargetVolumeAttributesClassName != "" {
		classes.Insert(m.TargetVolumeAttributesClassName)
	}
	return classes
}

// resourceClaimsEvaluator counts resource claims and, by device class, the
// devices that they may get in the worst case.
var resourceClaimsEvaluator = &evaluator{
	group: "resource.k8s.io", resource: "resourceclaims",
	handles: written,
	counts: func(name corev1.ResourceName) bool {
		return name == resourceClaimCount || strings.HasSuffix(string(name), corev1.ResourceClaimsPerClass)
	},
	use: func(obj runtime.Object) corev1.ResourceList {
		c, ok := obj.(*resourcev1.ResourceClaim)
		if !ok {
			return nil
		}
		use := corev1.ResourceList{resourceClaimCount: one()}
		for i := range c.Spec.Devices.Requests {
			addTo(use, deviceUse(&c.Spec.Devices.Requests[i]))
		}
		return use
	},
}

func deviceUse(r *resourcev1.DeviceRequest) corev1.ResourceList {
	use := corev1.ResourceList{}
	if r.Exactly != nil {
		use[perClass(r.Exactly.DeviceClassName)] = devices(r.Exactly.AllocationMode, r.Exactly.Count)
	}
	for i := range r.FirstAvailable {
		s := &r.FirstAvailable[i]
		name, n := perClass(s.DeviceClassName), devices(s.AllocationMode, s.Count)
		if most, there := use[name]; !there || n.Cmp(most) > 0 {
			use[name] = n
		}
	}
	return use
}

func perClass(class string) corev1.ResourceName {
	return corev1.ResourceName(class + corev1.ResourceClaimsPerClass)
}

func devices(mode resourcev1.DeviceAllocationMode, count int64) resource.Quantity {
	switch mode {
	case resourcev1.DeviceAllocationModeExactCount:
		return *resource.NewQuantity(count, resource.DecimalSI)
	case resourcev1.DeviceAllocationModeAll:
		return *resource.NewQuantity(resourcev1.AllocationResultsMaxSize, resource.DecimalSI)
	}
	return resource.Quantity{Format: resource.DecimalSI}
}
