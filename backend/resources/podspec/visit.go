package podspec

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// visitContainers calls f for each init container, container and ephemeral
// container of a spec that lies at path. A nil path gives nil paths.
func visitContainers(spec *v1.PodSpec, path *field.Path, f func(c *v1.Container, path *field.Path)) {
	at := func(list string, i int) *field.Path {
		if path == nil {
			return nil
		}
		return path.Child(list).Index(i)
	}
	for i := range spec.InitContainers {
		f(&spec.InitContainers[i], at("initContainers", i))
	}
	for i := range spec.Containers {
		f(&spec.Containers[i], at("containers", i))
	}
	for i := range spec.EphemeralContainers {
		f(asContainer(&spec.EphemeralContainers[i]), at("ephemeralContainers", i))
	}
}

// asContainer sees an ephemeral container as a container: the two types have
// the same fields in the same order.
func asContainer(c *v1.EphemeralContainer) *v1.Container {
	return (*v1.Container)(&c.EphemeralContainerCommon)
}

// isSidecar tells an init container that keeps running beside the others.
func isSidecar(c *v1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways
}
