package stream

import (
	"context"
	"fmt"

	"pilothouse/backend/kubelet"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// get reads an object that a request leads to. One that is missing is reported
// as one of the resource that the request is for, whatever it is: Kubernetes
// says that the pod "NODE" was not found.
func get[T scheme.Object](ctx context.Context, c registry.Call, r *request.Request, resource, namespace, name string) (obj T, err error) {
	store := c.Registry.Store("", resource)
	missing := apierrors.NewNotFound(schema.GroupResource{Group: r.Info.Group, Resource: r.Info.Resource}, name)
	if store == nil {
		return obj, missing
	}
	found, err := store.Get(ctx, namespace, name, registry.GetOptions{})
	if apierrors.IsNotFound(err) {
		return obj, missing
	}
	if err != nil {
		return obj, err
	}
	decoded, err := store.Decode(found)
	if err != nil {
		return obj, err
	}
	obj, ok := decoded.(T)
	if !ok {
		return obj, missing
	}
	return obj, nil
}

func (s *Server) pod(ctx context.Context, c registry.Call, r *request.Request) (*corev1.Pod, error) {
	return get[*corev1.Pod](ctx, c, r, "pods", c.Namespace, c.Name)
}

// node gives the way to the kubelet of a node.
func (s *Server) node(ctx context.Context, c registry.Call, r *request.Request, name string) (*kubelet.Connection, error) {
	node, err := get[*corev1.Node](ctx, c, r, "nodes", "", name)
	if err != nil {
		return nil, err
	}
	connection, err := s.o.Kubelet.Connection(node)
	if err != nil {
		return nil, shownError(err.Error())
	}
	return connection, nil
}

// assigned gives the way to the kubelet of a pod's node.
func (s *Server) assigned(ctx context.Context, c registry.Call, r *request.Request, pod *corev1.Pod) (*kubelet.Connection, error) {
	if pod.Spec.NodeName == "" {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("pod %s does not have a host assigned", pod.Name))
	}
	return s.node(ctx, c, r, pod.Spec.NodeName)
}

// chooseContainer gives the container that a client means: the one it names, or
// the only one.
func chooseContainer(pod *corev1.Pod, name string) (string, error) {
	names := containerNames(&pod.Spec)
	if name != "" {
		for _, n := range names {
			if n == name {
				return name, nil
			}
		}
		return "", apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", name, pod.Name))
	}
	switch len(pod.Spec.Containers) {
	case 1:
		return pod.Spec.Containers[0].Name, nil
	case 0:
		return "", apierrors.NewBadRequest("a container name must be specified for pod " + pod.Name)
	}
	return "", apierrors.NewBadRequest(fmt.Sprintf("a container name must be specified for pod %s, choose one of: %s", pod.Name, names))
}

// containerNames are the names of all containers: first the initial ones, then
// the others, then the ephemeral ones.
func containerNames(spec *corev1.PodSpec) []string {
	var names []string
	for i := range spec.InitContainers {
		names = append(names, spec.InitContainers[i].Name)
	}
	for i := range spec.Containers {
		names = append(names, spec.Containers[i].Name)
	}
	for i := range spec.EphemeralContainers {
		names = append(names, spec.EphemeralContainers[i].Name)
	}
	return names
}
