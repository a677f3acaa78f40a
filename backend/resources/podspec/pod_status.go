package podspec

import (
	"fmt"
	"strings"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

var statusPath = field.NewPath("status")

// ValidatePodStatusUpdate gives what is wrong with an update of a pod's status
// besides the metadata.
func ValidatePodStatusUpdate(pod, old *v1.Pod, o Options) field.ErrorList {
	s := &pod.Status
	errs := annotationUpdates(pod, old, o)
	errs = append(errs, validateConditions(s.Conditions, statusPath.Child("conditions"))...)
	errs = append(errs, validateNomination(pod, old)...)
	if s.ObservedGeneration < 0 {
		errs = append(errs, field.Invalid(statusPath.Child("observedGeneration"), s.ObservedGeneration, "must be a non-negative integer"))
	}
	errs = append(errs, apivalidation.ValidateImmutableField(s.QOSClass, old.Status.QOSClass, statusPath.Child("qosClass"))...)
	errs = append(errs, stateTransitions(s.ContainerStatuses, old.Status.ContainerStatuses, &old.Spec, old.Spec.Containers, statusPath.Child("containerStatuses"))...)
	errs = append(errs, stateTransitions(s.InitContainerStatuses, old.Status.InitContainerStatuses, &old.Spec, old.Spec.InitContainers, statusPath.Child("initContainerStatuses"))...)
	errs = append(errs, stateTransitions(s.EphemeralContainerStatuses, old.Status.EphemeralContainerStatuses, &old.Spec, nil, statusPath.Child("ephemeralContainerStatuses"))...)
	errs = append(errs, validateClaimStatuses(s.ResourceClaimStatuses, pod.Spec.ResourceClaims, statusPath.Child("resourceClaimStatuses"))...)
	errs = append(errs, validateExtendedClaim(s.ExtendedResourceClaimStatus, &pod.Spec, statusPath.Child("extendedResourceClaimStatus"))...)
	errs = append(errs, validatePodIPs(s.PodIPs, old.Status.PodIPs)...)
	errs = append(errs, validateHostIPs(s, old.Status.HostIPs)...)
	for _, list := range []struct {
		name     string
		statuses []v1.ContainerStatus
	}{
		{"containerStatuses", s.ContainerStatuses},
		{"initContainerStatuses", s.InitContainerStatuses},
		{"ephemeralContainerStatuses", s.EphemeralContainerStatuses},
	} {
		errs = append(errs, validateUsers(list.statuses, pod.Spec.OS, statusPath.Child(list.name))...)
	}
	errs = append(errs, validateResourceHealth(s.ContainerStatuses, pod.Spec.Containers, statusPath.Child("containerStatuses"))...)
	errs = append(errs, validateResourceHealth(s.InitContainerStatuses, pod.Spec.InitContainers, statusPath.Child("initContainerStatuses"))...)
	for i := range s.EphemeralContainerStatuses {
		if len(s.EphemeralContainerStatuses[i].AllocatedResourcesStatus) > 0 {
			errs = append(errs, field.Forbidden(statusPath.Child("ephemeralContainerStatuses").Index(i).Child("allocatedResourcesStatus"), "must not be specified in container status"))
		}
	}
	return errs
}

// PodStatusWarnings warns of addresses that are spelled in an odd way.
func PodStatusWarnings(s *v1.PodStatus) []string {
	var warnings []string
	for i := range s.PodIPs {
		warnings = append(warnings, validation.GetWarningsForIP(statusPath.Child("podIPs").Index(i).Child("ip"), s.PodIPs[i].IP)...)
	}
	for i := range s.HostIPs {
		warnings = append(warnings, validation.GetWarningsForIP(statusPath.Child("hostIPs").Index(i).Child("ip"), s.HostIPs[i].IP)...)
	}
	return warnings
}

// systemConditions are the conditions whose types have no domain.
var systemConditions = sets.New(v1.PodScheduled, v1.PodReady, v1.PodInitialized)

func validateConditions(conditions []v1.PodCondition, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range conditions {
		c := &conditions[i]
		if c.ObservedGeneration < 0 {
			errs = append(errs, field.Invalid(path.Index(i).Child("observedGeneration"), c.ObservedGeneration, "must be a non-negative integer"))
		}
		if !systemConditions.Has(c.Type) {
			errs = append(errs, validate.QualifiedName(string(c.Type), path.Index(i).Child("Type"))...)
		}
	}
	return errs
}

func validateNomination(pod, old *v1.Pod) field.ErrorList {
	path, name := statusPath.Child("nominatedNodeName"), pod.Status.NominatedNodeName
	if name == "" || name == old.Status.NominatedNodeName {
		return nil
	}
	errs := validate.DNSSubdomain(name, path)
	if old.Spec.NodeName != "" {
		errs = append(errs, field.Forbidden(path, "may not be set on pods that are already bound to a node"))
	}
	return errs
}

// stateTransitions refuses containers that have ended and run again although
// their restart policy says that they don't. Ephemeral containers, which have
// no spec here, never do.
func stateTransitions(statuses, old []v1.ContainerStatus, spec *v1.PodSpec, containers []v1.Container, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if restartsAll(spec) {
		return nil
	}
	for i := range old {
		ended := old[i].State.Terminated
		if ended == nil {
			continue
		}
		for j := range statuses {
			if statuses[j].Name != old[i].Name || statuses[j].State.Terminated != nil {
				continue
			}
			if !restarts(spec, containers, old[i].Name, ended.ExitCode) {
				errs = append(errs, field.Forbidden(path.Index(i).Child("state"), "may not be transitioned to non-terminated state"))
			}
			break
		}
	}
	return errs
}

// restartsAll tells that a rule of some container may restart all of them,
// whatever their own policies are.
func restartsAll(spec *v1.PodSpec) bool {
	if spec == nil {
		return false
	}
	for _, containers := range [][]v1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			for _, rule := range containers[i].RestartPolicyRules {
				if rule.Action == v1.ContainerRestartRuleActionRestartAllContainers {
					return true
				}
			}
		}
	}
	return false
}

// restarts tells whether a container that ended with an exit code starts again.
func restarts(spec *v1.PodSpec, containers []v1.Container, name string, exitCode int32) bool {
	for i := range containers {
		c := &containers[i]
		if c.Name != name {
			continue
		}
		for _, rule := range c.RestartPolicyRules {
			if rule.ExitCodes != nil && exitCodeMatches(rule.ExitCodes, exitCode) {
				return rule.Action == v1.ContainerRestartRuleActionRestart
			}
		}
		policy := v1.ContainerRestartPolicy(spec.RestartPolicy)
		if c.RestartPolicy != nil {
			policy = *c.RestartPolicy
		}
		return policy == v1.ContainerRestartPolicyAlways || policy == v1.ContainerRestartPolicyOnFailure && exitCode != 0
	}
	return false
}

func exitCodeMatches(r *v1.ContainerRestartRuleOnExitCodes, exitCode int32) bool {
	in := false
	for _, value := range r.Values {
		in = in || value == exitCode
	}
	switch r.Operator {
	case v1.ContainerRestartRuleOnExitCodesOpIn:
		return in
	case v1.ContainerRestartRuleOnExitCodesOpNotIn:
		return !in
	}
	return false
}

func validateClaimStatuses(statuses []v1.PodResourceClaimStatus, claims []v1.PodResourceClaim, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	known, seen := sets.Set[string]{}, sets.Set[string]{}
	for i := range claims {
		known.Insert(claims[i].Name)
	}
	for i := range statuses {
		s, p := &statuses[i], path.Index(i)
		if !known.Has(s.Name) {
			errs = append(errs, field.Invalid(p.Child("name"), s.Name, "must match the name of an entry in `spec.resourceClaims`"))
		}
		if seen.Has(s.Name) {
			errs = append(errs, field.Duplicate(p.Child("name"), s.Name))
		}
		seen.Insert(s.Name)
		if s.ResourceClaimName != nil {
			errs = append(errs, validate.Messages(p.Child("resourceClaimName"), s.ResourceClaimName, apivalidation.NameIsDNSSubdomain(*s.ResourceClaimName, false))...)
		}
	}
	return errs
}

func validateExtendedClaim(s *v1.PodExtendedResourceClaimStatus, spec *v1.PodSpec, path *field.Path) field.ErrorList {
	if s == nil {
		return nil
	}
	containers := map[string]*v1.Container{}
	for _, list := range [][]v1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			containers[list[i].Name] = &list[i]
		}
	}
	mappings := path.Child("requestMappings")
	var errs field.ErrorList
	if len(s.RequestMappings) == 0 {
		errs = append(errs, field.Required(mappings, "at least one request mapping is required"))
	}
	seen := map[v1.ContainerExtendedResourceRequest]bool{}
	for i, m := range s.RequestMappings {
		p := mappings.Index(i)
		if c := containers[m.ContainerName]; c == nil {
			errs = append(errs, field.Invalid(p.Child("containerName"), m.ContainerName, "must match the name of an entry in spec.initContainers.name or spec.containers.name"))
		} else if _, there := c.Resources.Requests[v1.ResourceName(m.ResourceName)]; !there {
			errs = append(errs, field.Invalid(p.Child("resourceName"), m.ResourceName, "must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests"))
		}
		errs = append(errs, validate.DNSLabel(m.RequestName, path.Child("requestName"))...)
		if seen[m] {
			errs = append(errs, field.Duplicate(p.Child("containerName"), m.ContainerName),
				field.Duplicate(p.Child("resourceName"), m.ResourceName),
				field.Duplicate(p.Child("requestName"), m.RequestName))
		}
		seen[m] = true
	}
	if s.ResourceClaimName == "" {
		return append(errs, field.Required(path.Child("resourceClaimName"), ""))
	}
	return append(errs, validate.DNSSubdomain(s.ResourceClaimName, path.Child("resourceClaimName"))...)
}

func validatePodIPs(ips, old []v1.PodIP) field.ErrorList {
	path := statusPath.Child("podIPs")
	values, before := make([]string, len(ips)), make([]string, len(old))
	for i := range ips {
		values[i] = ips[i].IP
	}
	for i := range old {
		before[i] = old[i].IP
	}
	return validateIPs(values, before, validate.Internal(ips), path)
}

func validateHostIPs(s *v1.PodStatus, old []v1.HostIP) field.ErrorList {
	if len(s.HostIPs) == 0 {
		return nil
	}
	path := statusPath.Child("hostIPs")
	var errs field.ErrorList
	if s.HostIP != s.HostIPs[0].IP {
		errs = append(errs, field.Invalid(path.Index(0).Child("ip"), s.HostIPs[0].IP, "must be equal to `hostIP`"))
	}
	values, before := make([]string, len(s.HostIPs)), make([]string, len(old))
	for i := range s.HostIPs {
		values[i] = s.HostIPs[i].IP
	}
	for i := range old {
		before[i] = old[i].IP
	}
	return append(errs, validateIPs(values, before, validate.Internal(s.HostIPs), path)...)
}

// validateIPs wants addresses and at most one of each family; list is what the
// error shows.
func validateIPs(ips, old []string, list any, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, ip := range ips {
		errs = append(errs, validate.IP(path.Index(i), ip, old...)...)
	}
	if len(ips) < 2 {
		return errs
	}
	dual, err := netutils.IsDualStackIPStrings(ips)
	if err != nil {
		errs = append(errs, field.InternalError(path, fmt.Errorf("failed to check for dual stack with error:%v", err)))
	}
	if !dual || len(ips) > 2 {
		errs = append(errs, field.Invalid(path, list, "may specify no more than one IP for each IP family"))
	}
	return errs
}

// validateUsers looks at the users that containers run as.
func validateUsers(statuses []v1.ContainerStatus, os *v1.PodOS, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range statuses {
		user := statuses[i].User
		if user == nil || user.Linux == nil {
			continue
		}
		p := path.Index(i).Child("user", "linux")
		switch {
		case os == nil || os.Name == v1.Linux:
			errs = append(errs, validate.Messages(p.Child("uid"), user.Linux.UID, validation.IsValidUserID(user.Linux.UID))...)
			errs = append(errs, validate.Messages(p.Child("gid"), user.Linux.GID, validation.IsValidGroupID(user.Linux.GID))...)
			for j, gid := range user.Linux.SupplementalGroups {
				errs = append(errs, validate.Messages(p.Child("supplementalGroups").Index(j), gid, validation.IsValidGroupID(gid))...)
			}
		case os.Name == v1.Windows:
			errs = append(errs, field.Forbidden(p, "cannot be set for a windows pod"))
		}
	}
	return errs
}

var healthStatuses = []v1.ResourceHealthStatus{v1.ResourceHealthStatusHealthy, v1.ResourceHealthStatusUnhealthy, v1.ResourceHealthStatusUnknown}

// validateResourceHealth looks at what is reported about devices: it must be
// about what the containers asked for.
func validateResourceHealth(statuses []v1.ContainerStatus, containers []v1.Container, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range statuses {
		for j := range statuses[i].AllocatedResourcesStatus {
			s, p := &statuses[i].AllocatedResourcesStatus[j], path.Index(i).Child("allocatedResourcesStatus").Index(j)
			if fault := resourceFault(containers, statuses[i].Name, string(s.Name)); fault != "" {
				errs = append(errs, field.Invalid(p.Child("name"), s.Name, fault))
			}
			seen := sets.Set[v1.ResourceID]{}
			for k, r := range s.Resources {
				at := p.Child("resources").Index(k)
				errs = append(errs, validate.OneOf(at.Child("health"), r.Health, healthStatuses)...)
				if seen.Has(r.ResourceID) {
					errs = append(errs, field.Duplicate(at.Child("resourceID"), r.ResourceID))
				}
				seen.Insert(r.ResourceID)
			}
		}
	}
	return errs
}

// resourceFault tells why a name is none of a container's resources; that of a
// container which isn't there is let pass.
func resourceFault(containers []v1.Container, container, name string) string {
	for i := range containers {
		c := &containers[i]
		if c.Name != container {
			continue
		}
		claim, isClaim := strings.CutPrefix(name, "claim:")
		if !isClaim {
			if _, there := c.Resources.Requests[v1.ResourceName(name)]; there {
				return ""
			}
			return "must match one of the container's resource requests"
		}
		for _, use := range c.Resources.Claims {
			if claim == use.Name && use.Request == "" || claim == use.Name+"/"+use.Request {
				return ""
			}
		}
		return "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty"
	}
	return ""
}
