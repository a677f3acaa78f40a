//go:build amd64 || arm64

package builtin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"pilothouse/backend/metrics"

	noderuntime "pilothouse/backend/node/runtime"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
)

// Runtime is a noderuntime.Runtime. Order of use: Open, then anything, Close.
type Runtime struct {
	o       Options
	images  *images
	network *network
	cgroups *cgroups
	self    string // how helpers are started

	mu         sync.Mutex
	sandboxes  map[string]*sandbox
	containers map[string]*container
	changed    func(uid string)
	closed     bool
	lives      sync.WaitGroup // goroutines of containers

	// virtual is what pods' connections are translated by, moved the part of it
	// that is about names; translating has one change at a time.
	// edition counts the changes.
	virtual, moved []noderuntime.Virtual
	edition        int
	forwards       []*hostPort
	translating    sync.Mutex
	// untranslated says why nothing is translated; blank when it is.
	untranslated string
}

// sandbox is the namespaces that the containers of a pod share.
type sandbox struct {
	id      string
	config  *cri.PodSandboxConfig
	created int64
	dir     string
	ready   bool
	net     *os.File // nil for the host's
	ipc     *os.File
	uts     *os.File
	pause   *process // process 1 of a pod that shares its processes
	ip      string
	ports   []*hostPort
}

// Open clears away what an earlier process has left behind, and checks that
// this machine lets containers be made. An error says what it does not let.
func Open(o Options) (_ *Runtime, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("it needs root")
	}
	for _, sub := range []string{"layers", "images", "sandboxes", "containers"} {
		if err := os.MkdirAll(filepath.Join(o.Dir, sub), 0o711); err != nil {
			return nil, err
		}
	}
	sum := sha256.Sum256([]byte(o.Dir))
	name := "ph" + hex.EncodeToString(sum[:4])
	r := &Runtime{o: o, sandboxes: map[string]*sandbox{}, containers: map[string]*container{}, self: lockedSelf()}
	r.cgroups = openCgroups(name)
	r.cgroups.clear()
	defer func() {
		if err != nil {
			r.cgroups.close()
		}
	}()
	for _, sub := range []string{"sandboxes", "containers"} {
		if err := emptyDir(filepath.Join(o.Dir, sub)); err != nil {
			return nil, err
		}
	}
	if err := r.probe(); err != nil {
		return nil, err
	}
	if r.network, err = openNetwork(name, o.PodCIDR); err != nil {
		return nil, err
	}
	if r.images, err = openImages(o.Dir); err != nil {
		r.network.close()
		return nil, err
	}
	return r, nil
}

func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// lockedSelf gives a path under which this program can be started and not be
// written to, whatever a container does with /proc/self/exe (CVE-2019-5736).
func lockedSelf() string {
	const fallback = "/proc/self/exe"
	tree, err := unix.OpenTree(unix.AT_FDCWD, fallback, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fallback
	}
	defer unix.Close(tree) //nolint:errcheck // it was duplicated
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fallback
	}
	const above = 100 // helpers are given low descriptors
	fd, err := unix.FcntlInt(uintptr(tree), unix.F_DUPFD_CLOEXEC, above)
	if err != nil {
		return fallback
	}
	return fmt.Sprintf("/proc/self/fd/%d", fd)
}

// probe makes namespaces and a file system once, for nothing.
func (r *Runtime) probe() error {
	s := &sandbox{config: &cri.PodSandboxConfig{Hostname: "probe", Linux: &cri.LinuxPodSandboxConfig{SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: &cri.NamespaceOption{}}}}}
	if err := s.unshare(); err != nil {
		return fmt.Errorf("namespaces: %w", err)
	}
	defer s.release()
	r.untranslated = probeTranslation(s.net)
	return probeOverlay(r.o.Dir)
}

// probeOverlay mounts an overlay in a mount namespace of its own.
func probeOverlay(dir string) error {
	tmp, err := os.MkdirTemp(filepath.Join(dir, "containers"), "probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, sub := range []string{"lower", "upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(tmp, sub), 0o755); err != nil {
			return err
		}
	}
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("mount namespaces: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("mounts: %w", err)
		}
		options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", tmp)
		if err := unix.Mount("overlay", tmp+"/root", "overlay", unix.MS_NODEV, options); err != nil {
			return fmt.Errorf("overlayfs in %s: %w", dir, err)
		}
		return nil
	})
}

// onThread runs f on a thread that ends with it, so that f may change what of
// the thread is its own.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		done <- metrics.Protected("node", f)
	}()
	return <-done
}

// Name is the scheme of container ids.
func (*Runtime) Name() string { return "builtin" }

// Version says what this is.
func (*Runtime) Version(context.Context) (string, error) { return "builtin://1.0", nil }

// Ready is so once Open has checked everything.
func (*Runtime) Ready(context.Context) error { return nil }

// Admit refuses what would have the machine.
func (r *Runtime) Admit(pod *corev1.Pod) (reason, message string) {
	return admit(pod, r.o.AllowPrivileged)
}

// Unenforced says what of a pod has no effect here.
func (r *Runtime) Unenforced(pod *corev1.Pod) []string {
	var out []string
	if r.network.host && !pod.Spec.HostNetwork {
		out = append(out, "The pod has the node's network and no address of its own: "+r.network.why)
	}
	if r.untranslated != "" && !r.network.host && !pod.Spec.HostNetwork {
		out = append(out, "Addresses of services lead nowhere: "+r.untranslated)
	}
	limited, seccomp, stored := false, false, false
	for _, c := range pod.Spec.Containers {
		limited = limited || c.Resources.Limits.Cpu().Sign() > 0 || c.Resources.Limits.Memory().Sign() > 0
		stored = stored || c.Resources.Limits.StorageEphemeral().Sign() > 0
		seccomp = seccomp || c.SecurityContext != nil && c.SecurityContext.SeccompProfile != nil && c.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeLocalhost
		for _, p := range c.Ports {
			if p.HostPort > 0 && p.Protocol != corev1.ProtocolTCP && p.Protocol != "" {
				out = append(out, fmt.Sprintf("Host port %d is not opened: only TCP's are", p.HostPort))
			}
		}
	}
	if stored {
		out = append(out, "Limits of ephemeral storage are not enforced, except those of emptyDir volumes")
	}
	if limited && r.cgroups.why != "" {
		out = append(out, "Not all limits are enforced: "+r.cgroups.why)
	}
	if s := pod.Spec.SecurityContext; seccomp || s != nil && s.SeccompProfile != nil && s.SeccompProfile.Type == corev1.SeccompProfileTypeLocalhost {
		out = append(out, "The seccomp profile is the node's own and not the one that is named")
	}
	if s := pod.Spec.SecurityContext; s != nil && (s.SELinuxOptions != nil || s.AppArmorProfile != nil && s.AppArmorProfile.Type == corev1.AppArmorProfileTypeLocalhost) {
		out = append(out, "SELinux and AppArmor labels have no effect")
	}
	if pod.Spec.HostUsers != nil && !*pod.Spec.HostUsers {
		out = append(out, "hostUsers: false has no effect: root in the pod is root of the machine, without its capabilities")
	}
	return out
}

func newID() string {
	a, b := uuid.New(), uuid.New()
	return hex.EncodeToString(append(a[:], b[:]...))
}

// RunPodSandbox makes the namespaces of a pod.
func (r *Runtime) RunPodSandbox(ctx context.Context, config *cri.PodSandboxConfig, handler string) (_ string, err error) {
	if handler != "" {
		return "", fmt.Errorf("RuntimeHandler %q not supported", handler)
	}
	s := &sandbox{id: newID(), config: config, created: r.o.Clock().UnixNano(), ready: true}
	s.dir = filepath.Join(r.o.Dir, "sandboxes", s.id)
	if err := os.MkdirAll(s.dir, 0o711); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			r.stopSandbox(s)
			os.RemoveAll(s.dir)
		}
	}()
	if r.network.host {
		config.Linux.SecurityContext.NamespaceOptions.Network = cri.NamespaceMode_NODE
	}
	if err := s.unshare(); err != nil {
		return "", err
	}
	edition := 0
	if s.net != nil {
		if s.ip, err = r.network.connect(s.id, s.net); err != nil {
			return "", fmt.Errorf("network: %w", err)
		}
		s.ports = r.network.openPorts(config.PortMappings, s.ip)
		if edition, err = r.translate(s, false); err != nil {
			return "", err
		}
	}
	if config.Linux.SecurityContext.NamespaceOptions.Pid == cri.NamespaceMode_POD {
		if s.pause, err = r.startPause(s); err != nil {
			return "", err
		}
	}
	if err := s.writeFiles(); err != nil {
		return "", err
	}
	r.mu.Lock()
	closed, again := r.closed, edition != r.edition
	if !closed {
		r.sandboxes[s.id] = s
	}
	r.mu.Unlock()
	switch {
	case closed:
		return "", errors.New("the runtime is closed")
	case again: // services have changed before the pod was in the list
		_, err = r.translate(s, true)
	}
	return s.id, err
}

// netNamespace opens the pod's network once more, for who works in it while the
// pod may end; nil if it has none of its own.
func (s *sandbox) netNamespace() (*os.File, error) {
	if s.net == nil {
		return nil, nil
	}
	fd, err := unix.FcntlInt(s.net.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "net"), nil
}

// unshare makes the namespaces on a thread that then ends; the open files keep
// them.
func (s *sandbox) unshare() error {
	n := s.config.Linux.SecurityContext.NamespaceOptions
	flags := unix.CLONE_NEWUTS
	if n.Network != cri.NamespaceMode_NODE {
		flags |= unix.CLONE_NEWNET
	}
	if n.Ipc != cri.NamespaceMode_NODE {
		flags |= unix.CLONE_NEWIPC
	}
	if n.Network == cri.NamespaceMode_NODE {
		flags &^= unix.CLONE_NEWUTS
	}
	return onThread(func() error {
		if err := unix.Unshare(flags); err != nil {
			return err
		}
		for _, ns := range []struct {
			flag int
			name string
			file **os.File
		}{{unix.CLONE_NEWNET, "net", &s.net}, {unix.CLONE_NEWIPC, "ipc", &s.ipc}, {unix.CLONE_NEWUTS, "uts", &s.uts}} {
			if flags&ns.flag == 0 {
				continue
			}
			f, err := os.Open("/proc/thread-self/ns/" + ns.name)
			if err != nil {
				return err
			}
			*ns.file = f
		}
		if s.uts != nil {
			if err := unix.Sethostname([]byte(s.config.Hostname)); err != nil {
				return err
			}
		}
		for name, value := range s.config.Linux.Sysctls {
			file := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
			if !namespaced(name) || flags&unix.CLONE_NEWNET == 0 && strings.HasPrefix(name, "net.") {
				return fmt.Errorf("sysctl %q is not the pod's own", name)
			}
			if err := os.WriteFile(file, []byte(value), 0); err != nil {
				return fmt.Errorf("sysctl %q: %w", name, err)
			}
		}
		return nil
	})
}

// namespaced tells a kernel setting that belongs to a namespace.
func namespaced(name string) bool {
	for _, prefix := range []string{"net.", "kernel.shm", "kernel.msg", "fs.mqueue."} {
		if strings.HasPrefix(name, prefix) {
			return !strings.Contains(name, "..") && !strings.Contains(name, "/")
		}
	}
	return name == "kernel.sem"
}

// writeFiles makes what containers find in /etc beside the image's own.
func (s *sandbox) writeFiles() error {
	var b strings.Builder
	if d := s.config.DnsConfig; d != nil {
		for _, server := range d.Servers {
			fmt.Fprintf(&b, "nameserver %s\n", server)
		}
		if len(d.Searches) > 0 {
			fmt.Fprintf(&b, "search %s\n", strings.Join(d.Searches, " "))
		}
		if len(d.Options) > 0 {
			fmt.Fprintf(&b, "options %s\n", strings.Join(d.Options, " "))
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "resolv.conf"), []byte(b.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "hostname"), []byte(s.config.Hostname+"\n"), 0o644)
}

func (s *sandbox) release() {
	for _, f := range []*os.File{s.net, s.ipc, s.uts} {
		if f != nil {
			f.Close()
		}
	}
	s.net, s.ipc, s.uts = nil, nil, nil
}

// stopSandbox lets go of the namespaces: with the last container they are gone.
func (r *Runtime) stopSandbox(s *sandbox) {
	for _, p := range s.ports {
		p.close()
	}
	s.ports = nil
	if s.pause != nil {
		s.pause.kill()
		<-s.pause.ended
		s.pause = nil
	}
	if s.net != nil {
		r.network.disconnect(s.id)
	}
	s.release()
}

// StopPodSandbox ends a pod's containers and lets go of its namespaces.
func (r *Runtime) StopPodSandbox(ctx context.Context, id string) error {
	r.mu.Lock()
	s := r.sandboxes[id]
	inside := r.inside(id)
	r.mu.Unlock()
	if s == nil {
		return nil
	}
	for _, c := range inside {
		if err := r.StopContainer(ctx, c.id, 0); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.ready {
		s.ready = false
		r.stopSandbox(s)
	}
	return nil
}

// inside gives the containers of a sandbox; mu is held.
func (r *Runtime) inside(id string) []*container {
	var out []*container
	for _, c := range r.containers {
		if c.sandbox.id == id {
			out = append(out, c)
		}
	}
	return out
}

// RemovePodSandbox removes a sandbox and its containers.
func (r *Runtime) RemovePodSandbox(ctx context.Context, id string) error {
	if err := r.StopPodSandbox(ctx, id); err != nil {
		return err
	}
	r.mu.Lock()
	s, inside := r.sandboxes[id], r.inside(id)
	r.mu.Unlock()
	if s == nil {
		return nil
	}
	for _, c := range inside {
		if err := r.RemoveContainer(ctx, c.id); err != nil {
			return err
		}
	}
	r.mu.Lock()
	delete(r.sandboxes, id)
	r.mu.Unlock()
	return os.RemoveAll(s.dir)
}

// PodSandboxStatus gives a sandbox's state and address.
func (r *Runtime) PodSandboxStatus(_ context.Context, id string) (*cri.PodSandboxStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[id]
	if s == nil {
		return nil, fmt.Errorf("sandbox %s not found", id)
	}
	return &cri.PodSandboxStatus{
		Id: id, Metadata: s.config.Metadata, State: s.state(), CreatedAt: s.created, Labels: s.config.Labels, Network: &cri.PodSandboxNetworkStatus{Ip: r.address(s)},
	}, nil
}

// address is the pod's; that of the node when it has none of its own.
func (r *Runtime) address(s *sandbox) string {
	if s.ip == "" && r.network.host {
		return r.network.nodeIP()
	}
	return s.ip
}

func (s *sandbox) state() cri.PodSandboxState {
	if s.ready {
		return cri.PodSandboxState_SANDBOX_READY
	}
	return cri.PodSandboxState_SANDBOX_NOTREADY
}

// ListPodSandbox gives the sandboxes of a pod, or all.
func (r *Runtime) ListPodSandbox(_ context.Context, uid string) ([]*cri.PodSandbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*cri.PodSandbox
	for _, s := range r.sandboxes {
		if uid == "" || s.config.Metadata.Uid == uid {
			out = append(out, &cri.PodSandbox{Id: s.id, Metadata: s.config.Metadata, State: s.state(), CreatedAt: s.created, Labels: s.config.Labels})
		}
	}
	return out, nil
}

// Events tells of containers that have ended.
func (r *Runtime) Events(ctx context.Context, changed func(uid string)) error {
	r.mu.Lock()
	r.changed = changed
	r.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

// Close ends all containers and takes back what was made for them.
func (r *Runtime) Close() error {
	r.mu.Lock()
	r.closed = true
	all := make([]*container, 0, len(r.containers))
	for _, c := range r.containers {
		all = append(all, c)
	}
	r.mu.Unlock()
	for _, c := range all {
		c.killAll()
	}
	r.lives.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sandboxes {
		if s.ready {
			s.ready = false
			r.stopSandbox(s)
		}
	}
	for _, f := range r.forwards {
		f.close()
	}
	r.network.close()
	r.cgroups.close()
	klog.V(2).InfoS("The builtin runtime is closed")
	return nil
}

// Ends tells that containers end with the runtime.
func (r *Runtime) Ends() {}

var _ noderuntime.Ending = (*Runtime)(nil)
