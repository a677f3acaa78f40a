package plugins

import (
	"context"
	"encoding/json"

	"pilothouse/backend/admission"
	"pilothouse/backend/resources/podspec"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// podTolerationRestriction gives the pods of a namespace its default tolerations
// and refuses those that are not on its list. Namespaces without such
// annotations have the settings'.
type podTolerationRestriction struct {
	handler
	settings   tolerationSettings
	namespaces *lookup[*corev1.Namespace]
}

type tolerationSettings struct {
	metav1.TypeMeta `json:",inline"`
	Default         []corev1.Toleration `json:"default,omitempty"`
	Whitelist       []corev1.Toleration `json:"whitelist,omitempty"`
}

const (
	defaultTolerations = "scheduler.alpha.kubernetes.io/defaultTolerations"
	allowedTolerations = "scheduler.alpha.kubernetes.io/tolerationsWhitelist"
)

func newPodTolerationRestriction(d *deps) (admission.Plugin, error) {
	var s tolerationSettings
	if err := yaml.UnmarshalStrict(d.config("PodTolerationRestriction"), &s); err != nil {
		return nil, err
	}
	return &podTolerationRestriction{handler{"PodTolerationRestriction", writes(pods)}, s, d.namespaces}, nil
}

// of gives the list of a namespace's annotation, or another one without it.
func (p *podTolerationRestriction) of(namespace, annotation string, otherwise []corev1.Toleration) ([]corev1.Toleration, error) {
	ns, ok := p.namespaces.get("", namespace)
	if !ok {
		return nil, apierrors.NewNotFound(corev1.Resource("namespaces"), namespace)
	}
	text := ns.Annotations[annotation]
	if text == "" {
		return otherwise, nil
	}
	list := []corev1.Toleration{}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, admission.Failed(err.Error())
	}
	return list, nil
}

// Mutate adds the defaults to new pods.
func (p *podTolerationRestriction) Mutate(ctx context.Context, a *admission.Attributes) error {
	pod, err := podOf(a)
	if err != nil {
		return err
	}
	var extra []corev1.Toleration
	if a.Operation == admission.Create {
		defaults, err := p.of(a.Namespace, defaultTolerations, p.settings.Default)
		if err != nil {
			return err
		}
		extra = append(extra, defaults...)
	}
	if podspec.QOSOf(pod) != corev1.PodQOSBestEffort {
		extra = append(extra, corev1.Toleration{Key: corev1.TaintNodeMemoryPressure, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
	}
	if len(extra) > 0 {
		pod.Spec.Tolerations = mergeTolerations(pod.Spec.Tolerations, extra)
	}
	return p.Validate(ctx, a)
}

// Validate checks the list.
func (p *podTolerationRestriction) Validate(_ context.Context, a *admission.Attributes) error {
	pod, err := podOf(a)
	if err != nil || len(pod.Spec.Tolerations) == 0 {
		return err
	}
	allowed, err := p.of(a.Namespace, allowedTolerations, p.settings.Whitelist)
	if err != nil {
		return err
	}
	if !allowedBy(allowed, pod.Spec.Tolerations) {
		return admission.Failed("pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist")
	}
	return nil
}
