// Package backends chooses what runs a node's pods: --node=auto|cri|builtin|sim.
// The choice and its reason are printed and stand on the Node.
package backends

import (
	"errors"
	"fmt"
	"time"

	"pilothouse/backend/config"
	"pilothouse/backend/node/builtin"
	"pilothouse/backend/node/cri"
	"pilothouse/backend/node/runtime"
	"pilothouse/backend/node/sim"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Choice is a runtime and why it was taken.
type Choice struct {
	// Backend is cri, builtin or sim; Why says the reason in a few words.
	Backend, Why string
	Runtime      runtime.Runtime
	MaxPods      int64
	// Capacity is the node's where it is not the machine's.
	Capacity corev1.ResourceList
}

const (
	maxPods    = 110
	maxSimPods = 10_000
)

// Open opens the runtime that the options ask for; dir is the node's folder.
func Open(o *config.Node, dir string, clock func() time.Time) (*Choice, error) {
	c, err := open(o, dir, clock)
	if err != nil {
		return nil, fmt.Errorf("--node=%s: %w", o.Backend, err)
	}
	if o.MaxPods > 0 {
		c.MaxPods = o.MaxPods
	}
	return c, nil
}

func open(o *config.Node, dir string, clock func() time.Time) (*Choice, error) {
	switch o.Backend {
	case "cri":
		return openCRI(o, "--node=cri")
	case "builtin":
		return openBuiltin(o, dir, clock, "--node=builtin")
	case "sim":
		return openSim(dir, clock, "--node=sim")
	case "auto":
		return auto(o, dir, clock)
	}
	return nil, errors.New("there is no such backend")
}

// auto takes the runtime that was named, else what the machine can do itself.
func auto(o *config.Node, dir string, clock func() time.Time) (*Choice, error) {
	if o.RuntimeEndpoint != "" {
		return openCRI(o, "--container-runtime-endpoint is set")
	}
	c, err := openBuiltin(o, dir, clock, "this machine runs Linux containers")
	if err == nil {
		return c, nil
	}
	return openSim(dir, clock, "builtin does not work here: "+err.Error())
}

func openSim(dir string, clock func() time.Time, why string) (*Choice, error) {
	r, err := sim.New(dir, clock)
	if err != nil {
		return nil, err
	}
	return &Choice{
		Backend: "sim", Why: why, Runtime: r, MaxPods: maxSimPods,
		Capacity: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("1000"), corev1.ResourceMemory: resource.MustParse("4Ti"), corev1.ResourceEphemeralStorage: resource.MustParse("4Ti"),
		},
	}, nil
}

func openCRI(o *config.Node, why string) (*Choice, error) {
	r, err := cri.Open(o.RuntimeEndpoint)
	if err != nil {
		return nil, err
	}
	return &Choice{Backend: "cri", Why: why + ", " + r.Name() + " at " + o.RuntimeEndpoint, Runtime: r, MaxPods: maxPods}, nil
}

func openBuiltin(o *config.Node, dir string, clock func() time.Time, why string) (*Choice, error) {
	r, err := builtin.Open(builtin.Options{Dir: dir, AllowPrivileged: o.AllowPrivileged, PodCIDR: o.PodCIDR, Clock: clock})
	if err != nil {
		return nil, err
	}
	return &Choice{Backend: "builtin", Why: why, Runtime: r, MaxPods: maxPods}, nil
}
