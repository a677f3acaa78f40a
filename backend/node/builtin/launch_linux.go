//go:build amd64 || arm64

package builtin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pilothouse/backend/metrics"
	"pilothouse/backend/node/builtin/child"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// StartContainer runs the container's program.
func (r *Runtime) StartContainer(_ context.Context, id string) error {
	c, err := r.get(id)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != cri.ContainerState_CONTAINER_CREATED {
		return fmt.Errorf("container %q is %s already", id, c.state)
	}
	if err := r.run(c); err != nil {
		c.state, c.code, c.reason, c.message = cri.ContainerState_CONTAINER_EXITED, 128, "StartError", "failed to start container: "+err.Error()
		c.started, c.finished = r.o.Clock().UnixNano(), r.o.Clock().UnixNano()
		close(c.stopped)
		return fmt.Errorf("failed to start container: %w", err)
	}
	c.state, c.started = cri.ContainerState_CONTAINER_RUNNING, r.o.Clock().UnixNano()
	r.lives.Go(metrics.Guarded("node", func() { r.follow(c) }))
	return nil
}

// run starts the program; c.mu is held.
func (r *Runtime) run(c *container) (err error) {
	l := launch{mode: child.ModeInit, spec: r.spec(c), join: []*os.File{c.sandbox.net, c.sandbox.ipc, c.sandbox.uts}, group: c.group}
	switch n := c.config.GetLinux().GetSecurityContext().GetNamespaceOptions(); n.GetPid() {
	case cri.NamespaceMode_NODE:
		l.hostPIDs = true
	case cri.NamespaceMode_POD:
		if c.sandbox.pause == nil {
			return errors.New("the pod's processes are gone")
		}
		if l.pids, err = pidNamespace(c.sandbox.pause.cmd.Process.Pid); err != nil {
			return err
		}
	case cri.NamespaceMode_TARGET:
		target, err := r.get(n.TargetId)
		if err != nil {
			return err
		}
		pid, ok := target.pid()
		if !ok {
			return fmt.Errorf("container %q is not running", n.TargetId)
		}
		if l.pids, err = pidNamespace(pid); err != nil {
			return err
		}
	}
	if l.pids != nil {
		defer l.pids.Close()
	}
	log, err := openLog(c.logPath(), r.o.Clock)
	if err != nil {
		return err
	}
	c.output = newOutput(log)
	ends, err := c.pipes(&l)
	if err != nil {
		log.close()
		return err
	}
	p, err := r.start(l)
	for _, f := range ends {
		f.Close()
	}
	if err != nil {
		c.output.abandon()
		c.stdin.close()
		return err
	}
	c.process = p
	if p.terminal != nil {
		c.stdin.to(p.terminal)
		c.output.pump(stdoutStream, p.terminal)
	}
	return nil
}

// pipes connects the program with its log and with those who attach. ends are
// the program's ends, to be closed here once it has them.
func (c *container) pipes(l *launch) (ends []*os.File, err error) {
	c.stdin = &input{once: c.config.StdinOnce}
	if c.config.Tty {
		return nil, nil
	}
	fail := func(err error) ([]*os.File, error) {
		for _, f := range ends {
			f.Close()
		}
		return nil, err
	}
	for _, stream := range []struct {
		name byte
		to   **os.File
	}{{stdoutStream, &l.stdout}, {stderrStream, &l.stderr}} {
		r, w, err := os.Pipe()
		if err != nil {
			return fail(err)
		}
		*stream.to = w
		ends = append(ends, w)
		c.output.pump(stream.name, r)
	}
	if c.config.Stdin {
		r, w, err := os.Pipe()
		if err != nil {
			return fail(err)
		}
		l.stdin = r
		ends = append(ends, r)
		c.stdin.to(w)
	}
	return ends, nil
}

func (c *container) logPath() string {
	if c.config.LogPath == "" || c.sandbox.config.LogDirectory == "" {
		return ""
	}
	return filepath.Join(c.sandbox.config.LogDirectory, c.config.LogPath)
}

// follow waits for the end of the program and of all that it has left running.
func (r *Runtime) follow(c *container) {
	<-c.process.ended
	// In a process namespace of its own the rest is gone with it; in a shared one
	// it is not.
	c.group.kill()
	c.output.drain()
	c.stdin.close()
	c.mu.Lock()
	c.finished, c.code = r.o.Clock().UnixNano(), int32(c.process.code())
	c.reason = "Completed"
	if c.code != 0 {
		c.reason = "Error"
	}
	if c.group.outOfMemory() {
		c.reason = "OOMKilled"
	}
	c.state = cri.ContainerState_CONTAINER_EXITED
	close(c.stopped)
	c.mu.Unlock()
	r.mu.Lock()
	changed := r.changed
	r.mu.Unlock()
	if changed != nil {
		changed(c.sandbox.config.Metadata.Uid)
	}
}

// pid gives the program's process.
func (c *container) pid() (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != cri.ContainerState_CONTAINER_RUNNING {
		return 0, false
	}
	return c.process.cmd.Process.Pid, true
}

// killAll ends all processes of the container at once.
func (c *container) killAll() {
	if _, ok := c.pid(); ok {
		c.process.kill()
		c.group.kill()
	}
}

// spec gives what the helper is to make of the image and the configuration.
func (r *Runtime) spec(c *container) *child.Spec {
	config, img := c.config, c.image.Config
	security := config.GetLinux().GetSecurityContext()
	s := &child.Spec{
		LayersDir: r.images.layersDir(), Lower: c.image.lower(),
		Upper: filepath.Join(c.dir, "upper"), Work: filepath.Join(c.dir, "work"), Root: filepath.Join(c.dir, "root"),
		ReadonlyRoot: security.GetReadonlyRootfs(), Masked: security.GetMaskedPaths(), Readonly: security.GetReadonlyPaths(),
		OwnNetwork: c.sandbox.net != nil, Privileged: security.GetPrivileged(),
		Cwd: config.WorkingDir, User: img.User, Groups: security.GetSupplementalGroups(),
		Capabilities: capabilitySet(security.GetCapabilities().GetAddCapabilities(), security.GetCapabilities().GetDropCapabilities(), security.GetPrivileged()),
		NoNewPrivs:   security.GetNoNewPrivs(),
		Seccomp:      !security.GetPrivileged() && security.GetSeccomp().GetProfileType() != cri.SecurityProfile_Unconfined,
		OOMScoreAdj:  int(config.GetLinux().GetResources().GetOomScoreAdj()), TTY: config.Tty,
	}
	s.Args = append(append([]string{}, config.Command...), config.Args...)
	if len(config.Command) == 0 {
		args := config.Args
		if len(args) == 0 {
			args = img.Cmd
		}
		s.Args = append(append([]string{}, img.Entrypoint...), args...)
	}
	if s.Cwd == "" {
		s.Cwd = img.WorkingDir
	}
	s.Env = append(s.Env, img.Env...)
	s.Env = append(s.Env, "HOSTNAME="+c.sandbox.config.Hostname)
	for _, e := range config.Envs {
		s.Env = append(s.Env, e.Key+"="+string(e.Value))
	}
	s.Env = lastOnes(s.Env)
	if u := security.GetRunAsUser(); u != nil {
		s.UID = &u.Value
	} else if name := security.GetRunAsUsername(); name != "" {
		s.User = name
	}
	if g := security.GetRunAsGroup(); g != nil {
		s.GID = &g.Value
	}
	own := map[string]bool{}
	for _, m := range config.Mounts {
		own[filepath.Clean(m.ContainerPath)] = true
	}
	for _, name := range []string{"resolv.conf", "hostname"} {
		if !own["/etc/"+name] {
			s.Mounts = append(s.Mounts, child.Mount{Source: filepath.Join(c.sandbox.dir, name), Target: "/etc/" + name})
		}
	}
	for _, m := range config.Mounts {
		s.Mounts = append(s.Mounts, child.Mount{Source: m.HostPath, Target: m.ContainerPath, ReadOnly: m.Readonly})
	}
	return s
}

// lastOnes leaves the last value of each variable.
func lastOnes(env []string) []string {
	at := map[string]int{}
	var out []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if i, ok := at[name]; ok {
			out[i] = e
			continue
		}
		at[name] = len(out)
		out = append(out, e)
	}
	return out
}
