package plugins

import (
	"context"
	"errors"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// podNodeSelector confines the pods of a namespace to some nodes: the selector
// of the namespace's annotation, or the cluster's default one, becomes part of
// the pods'; a list by namespace says what selectors may be about.
type podNodeSelector struct {
	handler
	// selectors are those of the settings, by namespace; defaultSelector is
	// among them.
	selectors  map[string]string
	namespaces *lookup[*corev1.Namespace]
}

const (
	nodeSelectorAnnotation = "scheduler.alpha.kubernetes.io/node-selector"
	defaultSelector        = "clusterDefaultNodeSelector"
)

func newPodNodeSelector(d *deps) (admission.Plugin, error) {
	var c struct {
		Selectors map[string]string `json:"podNodeSelectorPluginConfig"`
	}
	if err := yaml.Unmarshal(d.config("PodNodeSelector"), &c); err != nil {
		return nil, err
	}
	return &podNodeSelector{handler{"PodNodeSelector", on(admission.Create, pods)}, c.Selectors, d.namespaces}, nil
}

// own gives the selector of a namespace.
func (p *podNodeSelector) own(name string) (labels.Set, error) {
	ns, ok := p.namespaces.get("", name)
	if !ok {
		return nil, apierrors.NewNotFound(corev1.Resource("namespaces"), name)
	}
	text, ok := ns.Annotations[nodeSelectorAnnotation]
	if !ok {
		text = p.selectors[defaultSelector]
	}
	return selectorMap(text)
}

func selectorMap(text string) (labels.Set, error) {
	m, err := labels.ConvertSelectorToLabelsMap(text)
	if err != nil {
		return nil, admission.Failed(err.Error())
	}
	return m, nil
}

func (p *podNodeSelector) refuse(a *admission.Attributes, pod *corev1.Pod, text string) error {
	return apierrors.NewForbidden(a.Resource.GroupResource(), pod.Name, errors.New(text))
}

// Mutate adds the namespace's selector.
func (p *podNodeSelector) Mutate(ctx context.Context, a *admission.Attributes) error {
	pod, err := podOf(a)
	if err != nil {
		return err
	}
	own, err := p.own(a.Namespace)
	if err != nil {
		return err
	}
	if labels.Conflicts(own, pod.Spec.NodeSelector) {
		return p.refuse(a, pod, "pod node label selector conflicts with its namespace node label selector")
	}
	if merged := labels.Merge(own, pod.Spec.NodeSelector); len(merged) > 0 {
		pod.Spec.NodeSelector = merged
	}
	return p.Validate(ctx, a)
}

// Validate checks the whole selector against what the namespace may name.
func (p *podNodeSelector) Validate(_ context.Context, a *admission.Attributes) error {
	pod, err := podOf(a)
	if err != nil {
		return err
	}
	own, err := p.own(a.Namespace)
	if err != nil {
		return err
	}
	if labels.Conflicts(own, pod.Spec.NodeSelector) {
		return p.refuse(a, pod, "pod node label selector conflicts with its namespace node label selector")
	}
	allowed, err := selectorMap(p.selectors[a.Namespace])
	if err != nil {
		return err
	}
	for key, value := range pod.Spec.NodeSelector {
		if len(allowed) > 0 && (!allowed.Has(key) || allowed[key] != value) {
			return p.refuse(a, pod, "pod node label selector labels conflict with its namespace whitelist")
		}
	}
	return nil
}
