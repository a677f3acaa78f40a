package plugins

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	securityconfig "k8s.io/pod-security-admission/admission/api"
	"k8s.io/pod-security-admission/admission/api/load"
	"k8s.io/pod-security-admission/admission/api/validation"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// podSecurity holds pods to the Pod Security Standard that their namespace's
// labels ask for: it refuses, warns, or notes in the audit log. Workloads with
// a template are warned about and noted, never refused.
type podSecurity struct {
	checks     policy.Evaluator
	config     *securityconfig.PodSecurityConfiguration
	defaults   api.Policy
	namespaces *lookup[*corev1.Namespace]
	pods       *lookup[*corev1.Pod]
	clock      registry.Clock
}

func newPodSecurity(d *deps) (admission.Plugin, error) {
	config, err := load.LoadFromData(d.config("PodSecurity"))
	if err != nil {
		return nil, err
	}
	if errs := validation.ValidatePodSecurityConfiguration(config); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	defaults, err := securityconfig.ToPolicy(config.Defaults)
	if err != nil {
		return nil, err
	}
	checks, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	return &podSecurity{checks, config, defaults, d.namespaces, newLookup[*corev1.Pod](d.Registry, "", "pods"), d.Clock}, nil
}

// Name is what the flags call the plugin.
func (p *podSecurity) Name() string { return "PodSecurity" }

// securedTemplates are the workloads that pods are made from.
var securedTemplates = []target{
	{"", "podtemplates", ""}, {"", "replicationcontrollers", ""},
	{"apps", "daemonsets", ""}, {"apps", "deployments", ""}, {"apps", "replicasets", ""}, {"apps", "statefulsets", ""},
	{"batch", "cronjobs", ""}, {"batch", "jobs", ""},
}

// Handles tells whether a write is about pods, what they are made from, or the
// labels of namespaces.
func (p *podSecurity) Handles(op admission.Operation, e *registry.Entry, subresource string) bool {
	if op != admission.Create && op != admission.Update {
		return false
	}
	switch t := (target{e.Resource.Group, e.Resource.Name, subresource}); {
	case isNamespaces(e):
		return subresource == ""
	case t == pods, t == podsEphemeral, t == podsResize:
		return true
	default:
		return slices.Contains(securedTemplates, t)
	}
}

// Validate looks at the write.
func (p *podSecurity) Validate(ctx context.Context, a *admission.Attributes) error {
	switch obj := a.Object.(type) {
	case *corev1.Namespace:
		return p.namespace(ctx, a, obj)
	case *corev1.Pod:
		return p.pod(ctx, a, obj)
	}
	meta, spec := podTemplate(a)
	if spec == nil {
		return nil
	}
	return p.template(ctx, a, meta, spec)
}

// podTemplate gives what a workload's pods will be.
func podTemplate(a *admission.Attributes) (*metav1.ObjectMeta, *corev1.PodSpec) {
	var t *corev1.PodTemplateSpec
	switch o := a.Object.(type) {
	case *corev1.PodTemplate:
		t = &o.Template
	case *corev1.ReplicationController:
		t = o.Spec.Template
	case *appsv1.ReplicaSet:
		t = &o.Spec.Template
	case *appsv1.Deployment:
		t = &o.Spec.Template
	case *appsv1.DaemonSet:
		t = &o.Spec.Template
	case *appsv1.StatefulSet:
		t = &o.Spec.Template
	case *batchv1.Job:
		t = &o.Spec.Template
	case *batchv1.CronJob:
		t = &o.Spec.JobTemplate.Spec.Template
	}
	if t == nil {
		return nil, nil
	}
	return &t.ObjectMeta, &t.Spec
}

func annotate(ctx context.Context, key, value string) {
	request.From(ctx).Annotate(api.AuditAnnotationPrefix+key, value)
}

// exempt tells that the settings leave a namespace or user alone.
func (p *podSecurity) exempt(ctx context.Context, a *admission.Attributes) bool {
	switch {
	case slices.Contains(p.config.Exemptions.Namespaces, a.Namespace):
		annotate(ctx, api.ExemptionReasonAnnotationKey, "namespace")
	case a.User != nil && slices.Contains(p.config.Exemptions.Usernames, a.User.Name):
		annotate(ctx, api.ExemptionReasonAnnotationKey, "user")
	default:
		return false
	}
	return true
}

func (p *podSecurity) pod(ctx context.Context, a *admission.Attributes, pod *corev1.Pod) error {
	if p.exempt(ctx, a) {
		return nil
	}
	ns, ok := p.namespaces.get("", a.Namespace)
	if !ok {
		return apierrors.NewInternalError(fmt.Errorf("failed to lookup namespace %q", a.Namespace))
	}
	levels, faults := api.PolicyToEvaluate(ns.Labels, p.defaults)
	if len(faults) == 0 && levels.FullyPrivileged() {
		annotate(ctx, api.EnforcedPolicyAnnotationKey, levels.Enforce.String())
		return nil
	}
	if old, ok := a.Old.(*corev1.Pod); ok && a.Operation == admission.Update && !changesImages(pod, old) {
		return nil
	}
	return p.evaluate(ctx, a, levels, faults.ToAggregate(), &pod.ObjectMeta, &pod.Spec, true)
}

func (p *podSecurity) template(ctx context.Context, a *admission.Attributes, meta *metav1.ObjectMeta, spec *corev1.PodSpec) error {
	if p.exempt(ctx, a) {
		return nil
	}
	ns, ok := p.namespaces.get("", a.Namespace)
	if !ok {
		annotate(ctx, "error", fmt.Sprintf("failed to lookup namespace %q", a.Namespace))
		return nil
	}
	levels, faults := api.PolicyToEvaluate(ns.Labels, p.defaults)
	if len(faults) == 0 && levels.Warn.Level == api.LevelPrivileged && levels.Audit.Level == api.LevelPrivileged {
		return nil
	}
	return p.evaluate(ctx, a, levels, faults.ToAggregate(), meta, spec, false)
}

// evaluate checks a pod against the levels of the three modes; enforce tells
// whether the first of them counts.
func (p *podSecurity) evaluate(ctx context.Context, a *admission.Attributes, levels api.Policy, faults error, meta *metav1.ObjectMeta, spec *corev1.PodSpec, enforce bool) error {
	if class := spec.RuntimeClassName; class != nil && slices.Contains(p.config.Exemptions.RuntimeClasses, *class) {
		annotate(ctx, api.ExemptionReasonAnnotationKey, "runtimeClass")
		return nil
	}
	if faults != nil {
		annotate(ctx, "error", fmt.Sprintf("Failed to parse policy: %v", faults))
	}
	results := map[api.LevelVersion]policy.AggregateCheckResult{}
	check := func(lv api.LevelVersion) policy.AggregateCheckResult {
		if _, known := results[lv]; !known {
			results[lv] = policy.AggregateCheckResults(p.checks.EvaluatePod(lv, meta, spec))
		}
		return results[lv]
	}
	var refusal error
	if enforce {
		annotate(ctx, api.EnforcedPolicyAnnotationKey, levels.Enforce.String())
		if r := check(levels.Enforce); !r.Allowed {
			refusal = apierrors.NewForbidden(a.Resource.GroupResource(), a.Name, fmt.Errorf("violates PodSecurity %q: %s", levels.Enforce.String(), r.ForbiddenDetail()))
		}
	}
	if r := check(levels.Audit); !r.Allowed {
		annotate(ctx, api.AuditViolationsAnnotationKey, fmt.Sprintf("would violate PodSecurity %q: %s", levels.Audit.String(), r.ForbiddenDetail()))
	}
	if refusal != nil {
		return refusal
	}
	if r := check(levels.Warn); !r.Allowed {
		request.From(ctx).Warn(fmt.Sprintf("would violate PodSecurity %q: %s", levels.Warn.String(), r.ForbiddenDetail()))
	}
	return nil
}

// changesImages tells whether an update changes anything that a policy could
// be about: images, and containers that were not there.
func changesImages(pod, old *corev1.Pod) bool {
	if imagesDiffer(pod.Spec.Containers, old.Spec.Containers) || imagesDiffer(pod.Spec.InitContainers, old.Spec.InitContainers) {
		return true
	}
	known := map[string]string{}
	for i := range old.Spec.EphemeralContainers {
		known[old.Spec.EphemeralContainers[i].Name] = old.Spec.EphemeralContainers[i].Image
	}
	for i := range pod.Spec.EphemeralContainers {
		c := &pod.Spec.EphemeralContainers[i]
		if image, there := known[c.Name]; !there || image != c.Image {
			return true
		}
	}
	return false
}

func imagesDiffer(a, b []corev1.Container) bool {
	if len(a) != len(b) {
		return true
	}
	for i := range a {
		if a[i].Image != b[i].Image {
			return true
		}
	}
	return false
}

// namespace refuses labels that make no sense, and warns of pods that a stricter
// level would not let in.
func (p *podSecurity) namespace(ctx context.Context, a *admission.Attributes, ns *corev1.Namespace) error {
	next, faults := api.PolicyToEvaluate(ns.Labels, p.defaults)
	exempt := slices.Contains(p.config.Exemptions.Namespaces, ns.Name)
	if a.Operation == admission.Create {
		if len(faults) > 0 {
			return apierrors.NewInvalid(a.Kind.GroupKind(), a.Name, faults)
		}
		if exempt {
			p.warnIgnored(ctx, ns, next)
		}
		return nil
	}
	old, ok := a.Old.(*corev1.Namespace)
	if !ok {
		return apierrors.NewInternalError(errors.New("an update of a namespace without a namespace"))
	}
	before, oldFaults := api.PolicyToEvaluate(old.Labels, p.defaults)
	if len(faults) > 0 && faults.ToAggregate().Error() != errorText(oldFaults.ToAggregate()) {
		return apierrors.NewInvalid(a.Kind.GroupKind(), a.Name, faults)
	}
	relaxed := next.Enforce.Version == before.Enforce.Version && api.CompareLevels(next.Enforce.Level, before.Enforce.Level) < 1
	switch {
	case next.Enforce == before.Enforce, next.Enforce.Level == api.LevelPrivileged, relaxed:
	case exempt:
		p.warnIgnored(ctx, ns, next)
	default:
		for _, w := range p.existing(ctx, ns.Name, next.Enforce) {
			request.From(ctx).Warn(w)
		}
	}
	return nil
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// warnIgnored says that the labels of an exempt namespace mean nothing.
func (p *podSecurity) warnIgnored(ctx context.Context, ns *corev1.Namespace, levels api.Policy) {
	if levels.FullyPrivileged() || levels.Equivalent(&p.defaults) {
		return
	}
	text := ""
	for _, mode := range []struct {
		name, level, version string
		is                   api.LevelVersion
	}{
		{"enforce", api.EnforceLevelLabel, api.EnforceVersionLabel, levels.Enforce},
		{"audit", api.AuditLevelLabel, api.AuditVersionLabel, levels.Audit},
		{"warn", api.WarnLevelLabel, api.WarnVersionLabel, levels.Warn},
	} {
		_, hasLevel := ns.Labels[mode.level]
		_, hasVersion := ns.Labels[mode.version]
		if mode.is.Level == api.LevelPrivileged || !hasLevel && !hasVersion {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += mode.name + "=" + mode.is.String()
	}
	request.From(ctx).Warn(fmt.Sprintf("namespace %q is exempt from Pod Security, and the policy (%s) will be ignored", ns.Name, text))
}

const (
	// maxChecked and checkTime bound the look at the pods of a namespace.
	maxChecked = 3000
	checkTime  = time.Second
)

// existing gives the warnings about pods that are there already.
func (p *podSecurity) existing(ctx context.Context, ns string, enforce api.LevelVersion) []string {
	within := checkTime
	if deadline, ok := ctx.Deadline(); ok {
		within = min(within, deadline.Sub(p.clock())/2)
	}
	until := p.clock().Add(within)
	list := p.ordered(ns)
	checked := 0
	found := offences{}
	for _, pod := range list[:min(len(list), maxChecked)] {
		checked++
		if r := policy.AggregateCheckResults(p.checks.EvaluatePod(enforce, &pod.ObjectMeta, &pod.Spec)); !r.Allowed {
			found.add(pod.Name, r.ForbiddenReason())
		}
		if p.clock().After(until) {
			break
		}
	}
	var warnings []string
	if checked < len(list) {
		klog.V(2).InfoS("Not all pods were checked against a new level", "namespace", ns, "checked", checked, "pods", len(list))
		warnings = append(warnings, fmt.Sprintf("new PodSecurity enforce level only checked against the first %d of %d existing pods", checked, len(list)))
	}
	if len(found) > 0 {
		warnings = append(warnings, fmt.Sprintf("existing pods in namespace %q violate the new PodSecurity enforce level %q", ns, enforce.String()))
	}
	return append(warnings, found.texts()...)
}

// ordered gives a namespace's pods, one of each controller before its others.
func (p *podSecurity) ordered(ns string) []*corev1.Pod {
	var first, rest []*corev1.Pod
	seen := map[string]bool{}
	p.pods.each(ns, func(pod *corev1.Pod) bool {
		if class := pod.Spec.RuntimeClassName; class != nil && slices.Contains(p.config.Exemptions.RuntimeClasses, *class) {
			return true
		}
		owner := metav1.GetControllerOfNoCopy(pod)
		if owner != nil && seen[string(owner.UID)] {
			rest = append(rest, pod)
			return true
		}
		if owner != nil {
			seen[string(owner.UID)] = true
		}
		first = append(first, pod)
		return true
	})
	return append(first, rest...)
}

// offences are the pods by what is wrong with them.
type offences map[string][]string

func (o offences) add(pod, reason string) { o[reason] = append(o[reason], pod) }

func (o offences) texts() []string {
	var texts []string
	for reason, names := range o {
		switch first := slices.Min(names); len(names) {
		case 1:
			texts = append(texts, fmt.Sprintf("%s: %s", first, reason))
		case 2:
			texts = append(texts, fmt.Sprintf("%s (and 1 other pod): %s", first, reason))
		default:
			texts = append(texts, fmt.Sprintf("%s (and %d other pods): %s", first, len(names)-1, reason))
		}
	}
	slices.Sort(texts)
	return texts
}
