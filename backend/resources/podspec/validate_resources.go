package podspec

import (
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	resourcehelper "k8s.io/component-helpers/resource"
)

// resourceNames gives the names of a list in their order, so that faults come
// in a fixed order.
func resourceNames(list v1.ResourceList) []v1.ResourceName {
	names := make([]v1.ResourceName, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ValidateOverhead gives what is wrong with the overhead of a RuntimeClass. It is
// looked at as if it were the limits of a container, and the paths say so.
func ValidateOverhead(list v1.ResourceList, path *field.Path) field.ErrorList {
	v := &specValidator{}
	return v.validateRequirements(&v1.ResourceRequirements{Limits: list}, validate.ContainerResourceName, nil, path)
}

// validateRequirements looks at limits and requests, and at the claims that
// they name among those of the pod.
func (v *specValidator) validateRequirements(r *v1.ResourceRequirements, nameFaults func(v1.ResourceName, *field.Path) field.ErrorList, claims sets.Set[string], path *field.Path) field.ErrorList {
	if len(r.Limits)+len(r.Requests)+len(r.Claims) == 0 {
		return nil
	}
	var errs field.ErrorList
	limits, requests := path.Child("limits"), path.Child("requests")
	compute, hugePages := false, false
	look := func(name v1.ResourceName, q resource.Quantity, at *field.Path) {
		errs = append(errs, nameFaults(name, at)...)
		errs = append(errs, validate.QuantityOf(name, q, at)...)
	}
	note := func(name v1.ResourceName, q resource.Quantity, at *field.Path) {
		compute = compute || name == v1.ResourceCPU || name == v1.ResourceMemory
		if !validate.IsHugePageResource(name) {
			return
		}
		hugePages = true
		if !v.AllowIndivisibleHugePages && !isMultipleOfHugePage(name, q) {
			errs = append(errs, field.Invalid(at, q.String(), fmt.Sprintf("%s is not positive integer multiple of %s", q.String(), name)))
		}
	}
	for _, name := range resourceNames(r.Limits) {
		q, at := r.Limits[name], limits.Key(string(name))
		look(name, q, at)
		note(name, q, at)
	}
	for _, name := range resourceNames(r.Requests) {
		q, at := r.Requests[name], requests.Key(string(name))
		look(name, q, at)
		limit, limited := r.Limits[name]
		switch {
		case limited && q.Cmp(limit) != 0 && !validate.IsOvercommitAllowed(name):
			errs = append(errs, field.Invalid(requests, q.String(), fmt.Sprintf("must be equal to %s limit of %s", name, limit.String())))
		case limited && q.Cmp(limit) > 0:
			errs = append(errs, field.Invalid(requests, q.String(), fmt.Sprintf("must be less than or equal to %s limit of %s", name, limit.String())))
		case !limited && !validate.IsOvercommitAllowed(name):
			errs = append(errs, field.Required(limits, "Limit must be set for non overcommitable resources"))
		}
		note(name, q, at)
	}
	if hugePages && !compute {
		errs = append(errs, field.Forbidden(path, "HugePages require cpu or memory"))
	}
	return append(errs, validateClaimUses(r.Claims, claims, path.Child("claims"))...)
}

// isMultipleOfHugePage tells whether a quantity of hugepages-SIZE is a whole
// number of pages.
func isMultipleOfHugePage(name v1.ResourceName, q resource.Quantity) bool {
	page, err := resource.ParseQuantity(strings.TrimPrefix(string(name), v1.ResourceHugePagesPrefix))
	if err != nil || page.Sign() <= 0 || page.MilliValue()%1000 != 0 {
		return false
	}
	return q.Value()%page.Value() == 0
}

// validateClaimUses looks at the resource claims that a container uses: each
// must be the pod's, and none may be used twice or both whole and in part.
func validateClaimUses(uses []v1.ResourceClaim, claims sets.Set[string], path *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := sets.Set[string]{}
	for i, use := range uses {
		p := path.Index(i)
		if use.Name == "" {
			errs = append(errs, field.Required(p, ""))
			continue
		}
		if seen.Has(use.Name) {
			errs = append(errs, field.Duplicate(p, use.Name))
		} else {
			key := use.Name
			if use.Request != "" {
				errs = append(errs, validate.DNSLabel(use.Request, p.Child("request"))...)
				key += "/" + use.Request
			}
			if seen.Has(key) {
				errs = append(errs, field.Duplicate(p, key))
			} else if use.Request == "" {
				for other := range seen {
					if claim, _, part := strings.Cut(other, "/"); part && claim == use.Name {
						errs = append(errs, field.Duplicate(p, use.Name))
					}
				}
			}
			seen.Insert(key)
		}
		if !claims.Has(use.Name) {
			err := field.NotFound(p, use.Name)
			err.Detail = "must be one of the names in pod.spec.resourceClaims"
			if len(claims) == 0 {
				err.Detail += " which is empty"
			} else {
				err.Detail += ": " + strings.Join(sets.List(claims), ", ")
			}
			errs = append(errs, err)
		}
	}
	return errs
}

func claimNames(claims []v1.PodResourceClaim) sets.Set[string] {
	names := sets.Set[string]{}
	for _, c := range claims {
		if c.Name != "" {
			names.Insert(c.Name)
		}
	}
	return names
}

// validateResourceClaims looks at the claims that a pod wants to have.
func validateResourceClaims(claims []v1.PodResourceClaim, meta *metav1.ObjectMeta, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	names := sets.Set[string]{}
	for i := range claims {
		c, p := &claims[i], path.Index(i)
		if meta != nil {
			if _, mirror := meta.Annotations[v1.MirrorPodAnnotationKey]; mirror {
				errs = append(errs, field.Forbidden(field.NewPath(""), "static pods do not support resource claims"))
				continue
			}
		}
		switch {
		case c.Name == "":
			errs = append(errs, field.Required(p.Child("name"), ""))
		case names.Has(c.Name):
			errs = append(errs, field.Duplicate(p.Child("name"), c.Name))
		default:
			errs = append(errs, validate.DNSLabel(c.Name, p.Child("name"))...)
			names.Insert(c.Name)
		}
		if c.ResourceClaimName != nil && c.ResourceClaimTemplateName != nil {
			errs = append(errs, field.Invalid(p, validate.Internal(*c), "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"))
		}
		if c.ResourceClaimName == nil && c.ResourceClaimTemplateName == nil {
			errs = append(errs, field.Invalid(p, validate.Internal(*c), "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"))
		}
		if c.ResourceClaimName != nil {
			errs = append(errs, validate.DNSSubdomain(*c.ResourceClaimName, p.Child("resourceClaimName"))...)
		}
		if c.ResourceClaimTemplateName != nil {
			errs = append(errs, validate.DNSSubdomain(*c.ResourceClaimTemplateName, p.Child("resourceClaimTemplateName"))...)
		}
	}
	return errs
}

// podLevelResources are those that a pod as a whole can limit and request.
var podLevelResources = []v1.ResourceName{v1.ResourceCPU, v1.ResourceHugePagesPrefix, v1.ResourceMemory}

func podResourceName(name v1.ResourceName, path *field.Path) field.ErrorList {
	if errs := validate.ResourceName(name, path); len(errs) > 0 {
		return errs
	}
	if resourcehelper.IsSupportedPodLevelResource(name) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, name, podLevelResources)}
}

// validatePodResources looks at the resources of the pod as a whole and whether
// its containers fit into them.
func (v *specValidator) validatePodResources(specPath *field.Path) field.ErrorList {
	r := v.spec.Resources
	if r == nil {
		return nil
	}
	path := specPath.Child("resources")
	if v.spec.OS != nil && v.spec.OS.Name == v1.Windows {
		return field.ErrorList{field.Forbidden(path, "may not be set for a windows pod")}
	}
	var errs field.ErrorList
	if r.Claims != nil {
		errs = append(errs, field.Forbidden(path.Child("claims"), "claims may not be set for Resources at pod-level"))
	}
	errs = append(errs, v.validateRequirements(r, podResourceName, v.claims, path)...)
	pod := &v1.Pod{Spec: *v.spec}
	total := resourcehelper.AggregateContainerRequests(pod, resourcehelper.PodResourcesOptions{})
	for _, name := range resourceNames(total) {
		q := total[name]
		if request, there := r.Requests[name]; there && q.Cmp(request) > 0 {
			errs = append(errs, field.Invalid(path.Child("requests").Key(string(name)), request.String(), "must be greater than or equal to aggregate container requests of "+q.String()))
		}
	}
	total = resourcehelper.AggregateContainerLimits(pod, resourcehelper.PodResourcesOptions{})
	for _, name := range resourceNames(total) {
		q := total[name]
		if limit, there := r.Limits[name]; there && validate.IsHugePageResource(name) && q.Cmp(limit) > 0 {
			errs = append(errs, field.Invalid(path.Child("limits").Key(string(name)), limit.String(), "must be greater than or equal to aggregate container limits of "+q.String()))
		}
	}
	for i := range v.spec.Containers {
		limits := v.spec.Containers[i].Resources.Limits
		for _, name := range resourceNames(limits) {
			q := limits[name]
			if limit, there := r.Limits[name]; there && q.Cmp(limit) > 0 {
				at := path.Child("containers").Index(i).Key(string(name)).Child("limits")
				errs = append(errs, field.Invalid(at, q.String(), "must be less than or equal to pod limits of "+limit.String()))
			}
		}
	}
	return errs
}
