package podspec

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	pullPolicies       = []v1.PullPolicy{v1.PullAlways, v1.PullIfNotPresent, v1.PullNever}
	messagePolicies    = []v1.TerminationMessagePolicy{v1.TerminationMessageReadFile, v1.TerminationMessageFallbackToLogsOnError}
	resizeResources    = []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory}
	resizePolicies     = []v1.ResourceResizeRestartPolicy{v1.NotRequired, v1.RestartContainer}
	containerPolicies  = []v1.ContainerRestartPolicy{v1.ContainerRestartPolicyAlways, v1.ContainerRestartPolicyNever, v1.ContainerRestartPolicyOnFailure}
	exitCodeOperators  = []v1.ContainerRestartRuleOnExitCodesOperator{v1.ContainerRestartRuleOnExitCodesOpIn, v1.ContainerRestartRuleOnExitCodesOpNotIn}
	restartRuleActions = []v1.ContainerRestartRuleAction{v1.ContainerRestartRuleActionRestart, v1.ContainerRestartRuleActionRestartAllContainers}
)

const (
	maxRestartRules = 20
	maxExitCodes    = 255
)

func (v *specValidator) validateContainers(path *field.Path) field.ErrorList {
	if len(v.spec.Containers) == 0 {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	names := sets.Set[string]{}
	for i := range v.spec.Containers {
		c, p := &v.spec.Containers[i], path.Index(i)
		errs = append(errs, v.validateContainer(c, p)...)
		if names.Has(c.Name) {
			errs = append(errs, field.Duplicate(p.Child("name"), c.Name))
		}
		names.Insert(c.Name)
		errs = append(errs, v.validateLifecycleAndProbes(c, p)...)
		errs = append(errs, validateRestart(c, p)...)
	}
	return append(errs, uniqueHostPorts(v.spec.Containers, path)...)
}

func (v *specValidator) validateInitContainers(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	names := sets.Set[string]{}
	for i := range v.spec.Containers {
		names.Insert(v.spec.Containers[i].Name)
	}
	for i := range v.spec.InitContainers {
		c, p := &v.spec.InitContainers[i], path.Index(i)
		errs = append(errs, v.validateContainer(c, p)...)
		errs = append(errs, validateInitRestart(c, p)...)
		if names.Has(c.Name) {
			errs = append(errs, field.Duplicate(p.Child("name"), c.Name))
		} else if c.Name != "" {
			names.Insert(c.Name)
		}
		// Init containers run one by one, so that only the ports of one can
		// collide. Kubernetes names the first container whichever it is.
		errs = append(errs, uniqueHostPorts(v.spec.InitContainers[i:i+1], path)...)
		if isSidecar(c) {
			errs = append(errs, v.validateLifecycleAndProbes(c, p)...)
			continue
		}
		errs = append(errs, forbidForInit(c, p)...)
		if v.AllowRestartOfInitContainersOnResize {
			continue
		}
		for j, policy := range c.ResizePolicy {
			if policy.RestartPolicy == v1.RestartContainer {
				errs = append(errs, field.Invalid(p.Child("resizePolicy").Index(j).Child("restartPolicy"), policy.RestartPolicy, "must not be set to 'RestartContainer' for non-sidecar initContainers"))
			}
		}
	}
	return errs
}

// forbidForInit refuses what only containers that keep running can have.
func forbidForInit(c *v1.Container, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	forbid := func(set bool, name string) {
		if set {
			errs = append(errs, field.Forbidden(path.Child(name), "may not be set for init containers without restartPolicy=Always"))
		}
	}
	forbid(c.Lifecycle != nil, "lifecycle")
	forbid(c.LivenessProbe != nil, "livenessProbe")
	forbid(c.ReadinessProbe != nil, "readinessProbe")
	forbid(c.StartupProbe != nil, "startupProbe")
	return errs
}

func (v *specValidator) validateEphemeralContainers(path *field.Path) field.ErrorList {
	if len(v.spec.EphemeralContainers) == 0 {
		return nil
	}
	var errs field.ErrorList
	others, names := sets.Set[string]{}, sets.Set[string]{}
	for _, list := range [][]v1.Container{v.spec.Containers, v.spec.InitContainers} {
		for i := range list {
			others.Insert(list[i].Name)
			names.Insert(list[i].Name)
		}
	}
	for i := range v.spec.EphemeralContainers {
		c, p := &v.spec.EphemeralContainers[i], path.Index(i)
		errs = append(errs, v.validateContainer(asContainer(c), p)...)
		errs = append(errs, trimmedImage(c.Image, p)...)
		if names.Has(c.Name) {
			errs = append(errs, field.Duplicate(p.Child("name"), c.Name))
		}
		names.Insert(c.Name)
		if c.TargetContainerName != "" && !others.Has(c.TargetContainerName) {
			errs = append(errs, field.NotFound(p.Child("targetContainerName"), c.TargetContainerName))
		}
		errs = append(errs, onlyFields(c.EphemeralContainerCommon, ephemeralContainerFields, "cannot be set for an Ephemeral Container", p)...)
		for j, m := range c.VolumeMounts {
			mount := p.Child("volumeMounts").Index(j)
			if m.SubPath != "" {
				errs = append(errs, field.Forbidden(mount.Child("subPath"), "cannot be set for an Ephemeral Container"))
			}
			if m.SubPathExpr != "" {
				errs = append(errs, field.Forbidden(mount.Child("subPathExpr"), "cannot be set for an Ephemeral Container"))
			}
		}
	}
	return errs
}

// ephemeralContainerFields are what an ephemeral container may set: it is a
// visitor and nothing of the pod may depend on it.
var ephemeralContainerFields = sets.New(
	"Name", "Image", "Command", "Args", "WorkingDir", "EnvFrom", "Env", "VolumeMounts", "VolumeDevices",
	"TerminationMessagePath", "TerminationMessagePolicy", "ImagePullPolicy", "SecurityContext",
	"Stdin", "StdinOnce", "TTY",
)

// onlyFields refuses fields of a struct that are set and not allowed.
func onlyFields(value any, allowed sets.Set[string], detail string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	v := reflect.ValueOf(value)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if allowed.Has(name) || v.Field(i).IsZero() || reflect.DeepEqual(v.Field(i).Interface(), reflect.Zero(v.Field(i).Type()).Interface()) {
			continue
		}
		first, n := utf8.DecodeRuneInString(name)
		errs = append(errs, field.Forbidden(path.Child(string(unicode.ToLower(first))+name[n:]), detail))
	}
	return errs
}

// validateContainer is what all kinds of containers have in common.
func (v *specValidator) validateContainer(c *v1.Container, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if c.Name == "" {
		errs = append(errs, field.Required(path.Child("name"), ""))
	} else {
		errs = append(errs, validate.DNSLabel(c.Name, path.Child("name"))...)
	}
	if c.Image == "" {
		errs = append(errs, field.Required(path.Child("image"), ""))
	}
	errs = append(errs, oneOfRequired(path.Child("terminationMessagePolicy"), c.TerminationMessagePolicy, messagePolicies)...)
	errs = append(errs, validatePorts(c.Ports, path.Child("ports"))...)
	errs = append(errs, validateEnv(c.Env, path.Child("env"))...)
	errs = append(errs, validateEnvFrom(c.EnvFrom, path.Child("envFrom"))...)
	errs = append(errs, v.validateMounts(c, path.Child("volumeMounts"))...)
	errs = append(errs, v.validateDevices(c, path.Child("volumeDevices"))...)
	errs = append(errs, oneOfRequired(path.Child("imagePullPolicy"), c.ImagePullPolicy, pullPolicies)...)
	errs = append(errs, v.validateRequirements(&c.Resources, validate.ContainerResourceName, v.claims, path.Child("resources"))...)
	errs = append(errs, v.validateResizePolicy(c.ResizePolicy, path.Child("resizePolicy"))...)
	return append(errs, v.validateSecurityContext(c.SecurityContext, path.Child("securityContext"))...)
}

// trimmedImage refuses spaces around an image's name. Templates may have them:
// " " has been a placeholder there.
func trimmedImage(image string, path *field.Path) field.ErrorList {
	if strings.TrimSpace(image) == image {
		return nil
	}
	return field.ErrorList{field.Invalid(path.Child("image"), image, "must not have leading or trailing whitespace")}
}

func validatePorts(ports []v1.ContainerPort, path *field.Path) field.ErrorList {
	if len(ports) == 0 {
		return nil
	}
	var errs field.ErrorList
	names := sets.Set[string]{}
	for i := range ports {
		port, p := &ports[i], path.Index(i)
		if port.Name != "" {
			switch faults := validation.IsValidPortName(port.Name); {
			case len(faults) > 0:
				errs = append(errs, validate.Messages(p.Child("name"), port.Name, faults)...)
			case names.Has(port.Name):
				errs = append(errs, field.Duplicate(p.Child("name"), port.Name))
			default:
				names.Insert(port.Name)
			}
		}
		if port.ContainerPort == 0 {
			errs = append(errs, field.Required(p.Child("containerPort"), ""))
		} else {
			errs = append(errs, validate.PortNumber(port.ContainerPort, p.Child("containerPort"))...)
		}
		if port.HostPort != 0 {
			errs = append(errs, validate.PortNumber(port.HostPort, p.Child("hostPort"))...)
		}
		errs = append(errs, oneOfRequired(p.Child("protocol"), port.Protocol, validate.Protocols)...)
	}
	return errs
}

// uniqueHostPorts refuses two containers on one port of the node.
func uniqueHostPorts(containers []v1.Container, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	var seen sets.Set[string]
	for i := range containers {
		for j, port := range containers[i].Ports {
			if port.HostPort == 0 {
				continue
			}
			key := fmt.Sprintf("%s/%s/%d", port.Protocol, port.HostIP, port.HostPort)
			if seen.Has(key) {
				errs = append(errs, field.Duplicate(path.Index(i).Child("ports").Index(j).Child("hostPort"), key))
			}
			if seen == nil {
				seen = sets.Set[string]{}
			}
			seen.Insert(key)
		}
	}
	return errs
}

// validateRestart looks at a container's own restart policy and its rules.
func validateRestart(c *v1.Container, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if c.RestartPolicy == nil {
		if len(c.RestartPolicyRules) == 0 {
			return nil
		}
		errs = append(errs, field.Required(path.Child("restartPolicy"), "must specify restartPolicy when restart rules are used"))
	} else {
		errs = append(errs, validate.OneOf(path.Child("restartPolicy"), *c.RestartPolicy, containerPolicies)...)
	}
	rules := path.Child("restartPolicyRules")
	if n := len(c.RestartPolicyRules); n > maxRestartRules {
		errs = append(errs, field.TooMany(rules, n, maxRestartRules))
	}
	for i, rule := range c.RestartPolicyRules {
		p := rules.Index(i)
		errs = append(errs, validate.OneOf(p.Child("action"), rule.Action, restartRuleActions)...)
		codes := p.Child("exitCodes")
		if rule.ExitCodes == nil {
			errs = append(errs, field.Required(codes, "must be specified"))
			continue
		}
		errs = append(errs, validate.OneOf(codes.Child("operator"), rule.ExitCodes.Operator, exitCodeOperators)...)
		if n := len(rule.ExitCodes.Values); n > maxExitCodes {
			errs = append(errs, field.TooMany(codes.Child("values"), n, maxExitCodes))
		}
	}
	return errs
}

// validateInitRestart is validateRestart for an init container.
func validateInitRestart(c *v1.Container, path *field.Path) field.ErrorList {
	if c.RestartPolicy == nil {
		if len(c.RestartPolicyRules) > 0 {
			return field.ErrorList{field.Required(path.Child("restartPolicy"), "must specify restartPolicy when restart rules are used")}
		}
		return nil
	}
	return validateRestart(c, path)
}

func (v *specValidator) validateResizePolicy(policies []v1.ContainerResizePolicy, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := map[v1.ResourceName]bool{}
	for i, p := range policies {
		if seen[p.ResourceName] {
			errs = append(errs, field.Duplicate(path.Index(i), p.ResourceName))
		}
		seen[p.ResourceName] = true
		errs = append(errs, oneOfRequired(path, p.ResourceName, resizeResources)...)
		errs = append(errs, oneOfRequired(path, p.RestartPolicy, resizePolicies)...)
		if v.spec.RestartPolicy == v1.RestartPolicyNever && p.RestartPolicy != v1.NotRequired {
			errs = append(errs, field.Invalid(path, p.RestartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))
		}
	}
	return errs
}
