package main

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/metrics/pkg/apis/metrics"
)

// window is the time that every figure is about.
const window = 15 * time.Second

func usage(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

func selector(o *internalversion.ListOptions) labels.Selector {
	if o != nil && o.LabelSelector != nil {
		return o.LabelSelector
	}
	return labels.Everything()
}

// nodeMetrics says of every node of the cluster that it is a quarter busy.
type nodeMetrics struct {
	rest.TableConvertor
	nodes listers.NodeLister
}

var (
	_ rest.Lister = nodeMetrics{}
	_ rest.Lister = podMetrics{}
)

func newNodeMetrics(nodes listers.NodeLister) nodeMetrics {
	return nodeMetrics{rest.NewDefaultTableConvertor(schema.GroupResource{Group: metrics.GroupName, Resource: "nodes"}), nodes}
}

func (nodeMetrics) New() runtime.Object     { return &metrics.NodeMetrics{} }
func (nodeMetrics) NewList() runtime.Object { return &metrics.NodeMetricsList{} }
func (nodeMetrics) Destroy()                {}
func (nodeMetrics) Kind() string            { return "NodeMetrics" }
func (nodeMetrics) NamespaceScoped() bool   { return false }
func (nodeMetrics) GetSingularName() string { return "node" }

func (nodeMetrics) of(n *corev1.Node) *metrics.NodeMetrics {
	return &metrics.NodeMetrics{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels, CreationTimestamp: metav1.Now()},
		Timestamp:  metav1.Now(), Window: metav1.Duration{Duration: window}, Usage: usage("500m", "1Gi"),
	}
}

func (m nodeMetrics) Get(_ context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	n, err := m.nodes.Get(name)
	if err != nil {
		return nil, err
	}
	return m.of(n), nil
}

func (m nodeMetrics) List(_ context.Context, o *internalversion.ListOptions) (runtime.Object, error) {
	nodes, err := m.nodes.List(selector(o))
	list := &metrics.NodeMetricsList{}
	for _, n := range nodes {
		list.Items = append(list.Items, *m.of(n))
	}
	return list, err
}

// podMetrics says the same of every container.
type podMetrics struct {
	rest.TableConvertor
	pods listers.PodLister
}

func newPodMetrics(pods listers.PodLister) podMetrics {
	return podMetrics{rest.NewDefaultTableConvertor(schema.GroupResource{Group: metrics.GroupName, Resource: "pods"}), pods}
}

func (podMetrics) New() runtime.Object     { return &metrics.PodMetrics{} }
func (podMetrics) NewList() runtime.Object { return &metrics.PodMetricsList{} }
func (podMetrics) Destroy()                {}
func (podMetrics) Kind() string            { return "PodMetrics" }
func (podMetrics) NamespaceScoped() bool   { return true }
func (podMetrics) GetSingularName() string { return "pod" }

func (podMetrics) of(p *corev1.Pod) *metrics.PodMetrics {
	m := &metrics.PodMetrics{
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace, Labels: p.Labels, CreationTimestamp: metav1.Now()},
		Timestamp:  metav1.Now(), Window: metav1.Duration{Duration: window},
	}
	for i := range p.Spec.Containers {
		m.Containers = append(m.Containers, metrics.ContainerMetrics{Name: p.Spec.Containers[i].Name, Usage: usage("100m", "64Mi")})
	}
	return m
}

func (m podMetrics) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	p, err := m.pods.Pods(request.NamespaceValue(ctx)).Get(name)
	if err != nil {
		return nil, err
	}
	return m.of(p), nil
}

func (m podMetrics) List(ctx context.Context, o *internalversion.ListOptions) (runtime.Object, error) {
	pods, err := m.pods.Pods(request.NamespaceValue(ctx)).List(selector(o))
	list := &metrics.PodMetricsList{}
	for _, p := range pods {
		list.Items = append(list.Items, *m.of(p))
	}
	return list, err
}
