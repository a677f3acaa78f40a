// Package runtime is the seam between the node agent and what runs containers,
// in the types of Kubernetes' Container Runtime Interface (CRI). Streams are
// functions here and not addresses, so that a runtime in this process needs no
// server of its own. Implementations: node/sim, node/builtin, node/cri.
package runtime

import (
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Labels of sandboxes and containers, as kubelets set them.
const (
	LabelPodName       = "io.kubernetes.pod.name"
	LabelPodNamespace  = "io.kubernetes.pod.namespace"
	LabelPodUID        = "io.kubernetes.pod.uid"
	LabelContainerName = "io.kubernetes.container.name"
)

// Annotations of containers that say what part they have in their pod.
const (
	AnnotationKind          = "node.pilothouse.dev/container-kind"
	AnnotationRestartPolicy = "node.pilothouse.dev/restart-policy"

	KindInit      = "init"
	KindSidecar   = "sidecar"
	KindContainer = "container"
	KindEphemeral = "ephemeral"
)

// Size is a terminal's.
type Size struct{ Width, Height uint16 }

// Streams are the ends of a command. Nil ones are not wanted.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	TTY            bool
	// Resize gives the terminal's sizes; nil without a terminal.
	Resize <-chan Size
}

// ExitError is how a command ended that ran and gave a code other than 0.
type ExitError struct{ Code int }

// Error says the code as kubelets do.
func (e *ExitError) Error() string {
	return fmt.Sprintf("command terminated with exit code %d", e.Code)
}

// Ending is a Runtime whose containers end when it is closed; those of others go
// on without the agent.
type Ending interface {
	Runtime
	Ends()
}

// Runtime runs pods. Methods carry the names and the meaning of CRI's; they are
// safe for concurrent use. Stop and Remove methods succeed for what is not there.
type Runtime interface {
	// Name is the scheme of container ids: containerd in containerd://ID.
	Name() string
	// Version gives the runtime's name and version as the Node shows them.
	Version(ctx context.Context) (string, error)
	// Ready gives what keeps the runtime or its network from running pods.
	Ready(ctx context.Context) error

	RunPodSandbox(ctx context.Context, config *cri.PodSandboxConfig, handler string) (id string, err error)
	StopPodSandbox(ctx context.Context, id string) error
	RemovePodSandbox(ctx context.Context, id string) error
	PodSandboxStatus(ctx context.Context, id string) (*cri.PodSandboxStatus, error)
	// ListPodSandbox gives the sandboxes of a pod, of all pods when uid is blank.
	ListPodSandbox(ctx context.Context, uid string) ([]*cri.PodSandbox, error)

	CreateContainer(ctx context.Context, sandbox string, config *cri.ContainerConfig, sandboxConfig *cri.PodSandboxConfig) (id string, err error)
	StartContainer(ctx context.Context, id string) error
	// StopContainer asks the container to end and kills it after timeout.
	StopContainer(ctx context.Context, id string, timeout time.Duration) error
	RemoveContainer(ctx context.Context, id string) error
	ListContainers(ctx context.Context, uid string) ([]*cri.Container, error)
	ContainerStatus(ctx context.Context, id string) (*cri.ContainerStatus, error)
	UpdateContainerResources(ctx context.Context, id string, resources *cri.LinuxContainerResources) error
	ReopenContainerLog(ctx context.Context, id string) error
	// ContainerStats gives nil for a container without any.
	ContainerStats(ctx context.Context, id string) (*cri.ContainerStats, error)

	// Exec runs a command in a container; an *ExitError tells its exit code. It
	// ends the command when ctx ends.
	Exec(ctx context.Context, id string, command []string, s Streams) error
	Attach(ctx context.Context, id string, s Streams) error
	// PortForward copies between a stream and a port of the sandbox's loopback.
	PortForward(ctx context.Context, sandbox string, port int32, stream io.ReadWriteCloser) error

	// ImageStatus gives nil for an image that is not there.
	ImageStatus(ctx context.Context, image string) (*cri.Image, error)
	PullImage(ctx context.Context, image string, auth *cri.AuthConfig) (id string, err error)
	ListImages(ctx context.Context) ([]*cri.Image, error)
	RemoveImage(ctx context.Context, id string) error

	// Events calls changed with the uid of each pod of which a container has
	// changed by itself, blank when any may have, until ctx ends.
	Events(ctx context.Context, changed func(uid string)) error
	// Close lets go of everything; what the runtime runs in this process ends.
	Close() error
}

// Admitter is a Runtime that does not take every pod.
type Admitter interface {
	// Admit gives the reason and the message for a pod that may not run.
	Admit(pod *corev1.Pod) (reason, message string)
}

// Reporter is a Runtime that leaves parts of what pods ask for unenforced.
type Reporter interface {
	// Unenforced gives a sentence for each part of the pod that has no effect.
	Unenforced(pod *corev1.Pod) []string
}

// Pretender is a Runtime that runs nothing: probes and hooks have nobody to ask,
// and volumes nobody to read them.
type Pretender interface {
	Pretends() bool
	// Adopt goes on with a pod from before a restart.
	Adopt(pod *corev1.Pod, config *cri.PodSandboxConfig, containers map[string]*cri.ContainerConfig)
}
