package cri

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"pilothouse/backend/metrics"
	"pilothouse/backend/node/runtime"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	utilexec "k8s.io/client-go/util/exec"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The runtime serves streams itself and gives an address for each. It is spoken
// to in SPDY, the one protocol that all of them know.

// Exec runs a command in a container.
func (r *Runtime) Exec(ctx context.Context, id string, command []string, s runtime.Streams) error {
	a, err := call(ctx, r.runtime.Exec, &cri.ExecRequest{
		ContainerId: id, Cmd: command, Tty: s.TTY, Stdin: s.Stdin != nil, Stdout: s.Stdout != nil, Stderr: s.Stderr != nil && !s.TTY,
	})
	if err != nil {
		return plain(err)
	}
	return stream(ctx, a.Url, s)
}

// Attach joins a container's own program.
func (r *Runtime) Attach(ctx context.Context, id string, s runtime.Streams) error {
	a, err := call(ctx, r.runtime.Attach, &cri.AttachRequest{
		ContainerId: id, Tty: s.TTY, Stdin: s.Stdin != nil, Stdout: s.Stdout != nil, Stderr: s.Stderr != nil && !s.TTY,
	})
	if err != nil {
		return plain(err)
	}
	return stream(ctx, a.Url, s)
}

// unchecked is how streams' addresses are reached: they are on this machine.
var unchecked = &rest.Config{TLSClientConfig: rest.TLSClientConfig{Insecure: true}}

// sizes hands a terminal's sizes to client-go.
type sizes struct{ c <-chan runtime.Size }

// Next waits for the next size; nil when there are no more.
func (s sizes) Next() *remotecommand.TerminalSize {
	size, ok := <-s.c
	if !ok {
		return nil
	}
	return &remotecommand.TerminalSize{Width: size.Width, Height: size.Height}
}

func stream(ctx context.Context, address string, s runtime.Streams) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	executor, err := remotecommand.NewSPDYExecutor(unchecked, http.MethodPost, u)
	if err != nil {
		return err
	}
	options := remotecommand.StreamOptions{Stdin: s.Stdin, Stdout: s.Stdout, Stderr: s.Stderr, Tty: s.TTY}
	if s.TTY {
		options.Stderr = nil
	}
	if s.Resize != nil {
		options.TerminalSizeQueue = sizes{s.Resize}
	}
	err = executor.StreamWithContext(ctx, options)
	var exit utilexec.CodeExitError
	if errors.As(err, &exit) {
		return &runtime.ExitError{Code: exit.Code}
	}
	return err
}

// PortForward copies between a stream and a port of the pod.
func (r *Runtime) PortForward(ctx context.Context, sandbox string, port int32, s io.ReadWriteCloser) error {
	a, err := call(ctx, r.runtime.PortForward, &cri.PortForwardRequest{PodSandboxId: sandbox, Port: []int32{port}})
	if err != nil {
		return plain(err)
	}
	u, err := url.Parse(a.Url)
	if err != nil {
		return err
	}
	transport, upgrader, err := spdy.RoundTripperFor(unchecked)
	if err != nil {
		return err
	}
	conn, _, err := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, u).Dial("portforward.k8s.io")
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	header := http.Header{}
	header.Set(corev1.StreamType, corev1.StreamTypeError)
	header.Set(corev1.PortHeader, strconv.Itoa(int(port)))
	header.Set(corev1.PortForwardRequestIDHeader, "0")
	problems, err := conn.CreateStream(header)
	if err != nil {
		return err
	}
	problems.Close() // nothing is written to it
	header.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := conn.CreateStream(header)
	if err != nil {
		return err
	}
	go func() {
		defer metrics.Caught("node")
		io.Copy(data, s) //nolint:errcheck // one side is gone
		data.Close()
	}()
	if _, err := io.Copy(s, data); err != nil && ctx.Err() == nil {
		return err
	}
	said, err := io.ReadAll(io.LimitReader(problems, 4096))
	if err == nil && len(said) > 0 {
		return fmt.Errorf("port-forward: %s", said)
	}
	return nil
}
