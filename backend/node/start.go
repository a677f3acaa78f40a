package node

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pilothouse/backend/node/runtime"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Reasons of containers that wait, in kubelets' words.
const (
	reasonConfig = "CreateContainerConfigError"
	reasonCreate = "CreateContainerError"
	reasonRun    = "RunContainerError"
	reasonHook   = "PostStartHookError"
)

// prepare makes what containers need: folders, volumes, the sandbox.
func (w *worker) prepare(ctx context.Context, pod *corev1.Pod, o *observed) error {
	if w.written == nil || w.written.StartTime == nil {
		if err := w.publish(ctx, pod, o); err != nil { // tells that the pod was seen
			return err
		}
	}
	if err := w.prepareDisk(ctx, pod); err != nil {
		w.agent.recorder.Event(pod, corev1.EventTypeWarning, "FailedMount", "%s", err)
		return err
	}
	attempt := 0
	for _, s := range o.sandboxes {
		attempt = max(attempt, int(s.GetMetadata().GetAttempt())+1)
	}
	config := w.sandboxConfig(pod, attempt)
	handler := ""
	if pod.Spec.RuntimeClassName != nil {
		handler = *pod.Spec.RuntimeClassName
	}
	id, err := w.agent.Runtime.RunPodSandbox(ctx, config, handler)
	if err != nil {
		if ctx.Err() == nil {
			w.agent.recorder.Event(pod, corev1.EventTypeWarning, "FailedCreatePodSandBox", "Failed to create pod sandbox: %s", err)
		}
		return fmt.Errorf("create the sandbox: %w", err)
	}
	for _, old := range o.sandboxes { // their containers' ends are in the status by now
		if err := w.agent.Runtime.StopPodSandbox(ctx, old.Id); err != nil {
			return err
		}
	}
	if o.sandbox, err = w.agent.Runtime.PodSandboxStatus(ctx, id); err != nil {
		return err
	}
	if w.agent.pretends != nil {
		return nil
	}
	return w.writeHosts(pod, o)
}

// prepareDisk makes the folders and the volumes of a pod.
func (w *worker) prepareDisk(ctx context.Context, pod *corev1.Pod) error {
	if w.agent.pretends != nil {
		return nil
	}
	if err := os.MkdirAll(w.agent.logDir(pod), 0o755); err != nil {
		return err
	}
	return w.fillVolumes(ctx, pod)
}

func (w *worker) sandboxConfig(pod *corev1.Pod, attempt int) *cri.PodSandboxConfig {
	c := &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: pod.Name, Uid: string(pod.UID), Namespace: pod.Namespace, Attempt: uint32(attempt)},
		Hostname:     hostnameOf(pod, w.agent.Hostname),
		LogDirectory: w.agent.logDir(pod),
		DnsConfig:    w.agent.dnsOf(pod),
		Labels: map[string]string{
			runtime.LabelPodName: pod.Name, runtime.LabelPodNamespace: pod.Namespace, runtime.LabelPodUID: string(pod.UID),
		},
		Annotations: pod.Annotations,
		Linux: &cri.LinuxPodSandboxConfig{
			CgroupParent:    "",
			SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: namespacesOf(pod), ReadonlyRootfs: true},
			Sysctls:         map[string]string{},
		},
	}
	if s := pod.Spec.SecurityContext; s != nil {
		for _, sysctl := range s.Sysctls {
			c.Linux.Sysctls[sysctl.Name] = sysctl.Value
		}
	}
	for _, container := range everyContainer(pod) {
		for _, p := range container.Ports {
			if p.HostPort > 0 {
				c.PortMappings = append(c.PortMappings, &cri.PortMapping{
					Protocol: cri.Protocol(cri.Protocol_value[string(p.Protocol)]), ContainerPort: p.ContainerPort, HostPort: p.HostPort, HostIp: p.HostIP,
				})
			}
		}
		if container.SecurityContext != nil && container.SecurityContext.Privileged != nil && *container.SecurityContext.Privileged {
			c.Linux.SecurityContext.Privileged = true
		}
	}
	return c
}

func hostnameOf(pod *corev1.Pod, host string) string {
	switch {
	case pod.Spec.HostnameOverride != nil:
		return *pod.Spec.HostnameOverride
	case pod.Spec.HostNetwork:
		return host
	case pod.Spec.Hostname != "":
		return pod.Spec.Hostname
	}
	name := pod.Name
	if len(name) > 63 {
		name = strings.TrimRight(name[:63], "-.")
	}
	return name
}

func namespacesOf(pod *corev1.Pod) *cri.NamespaceOption {
	n := &cri.NamespaceOption{Network: cri.NamespaceMode_POD, Pid: cri.NamespaceMode_CONTAINER, Ipc: cri.NamespaceMode_POD}
	if pod.Spec.HostNetwork {
		n.Network = cri.NamespaceMode_NODE
	}
	if pod.Spec.HostIPC {
		n.Ipc = cri.NamespaceMode_NODE
	}
	switch {
	case pod.Spec.HostPID:
		n.Pid = cri.NamespaceMode_NODE
	case pod.Spec.ShareProcessNamespace != nil && *pod.Spec.ShareProcessNamespace:
		n.Pid = cri.NamespaceMode_POD
	}
	return n
}

// start runs a container once. What stands in the way is told in its status and
// an event; the error is for the worker's own pace.
func (w *worker) start(ctx context.Context, pod *corev1.Pod, o *observed, c *corev1.Container, target string) error {
	if err := w.ensureImage(ctx, pod, c); err != nil {
		return err
	}
	v := o.view(c.Name)
	config, err := w.containerConfig(ctx, pod, o, c, v.attempt+1, target)
	if err != nil {
		return w.cannot(ctx, pod, c, reasonConfig, err)
	}
	rt := w.agent.Runtime
	id, err := rt.CreateContainer(ctx, o.sandbox.Id, config, w.sandboxConfig(pod, int(o.sandbox.GetMetadata().GetAttempt())))
	if err != nil {
		return w.cannot(ctx, pod, c, reasonCreate, err)
	}
	w.event(pod, c, corev1.EventTypeNormal, "Created", "Container created")
	if err := rt.StartContainer(ctx, id); err != nil {
		return w.cannot(ctx, pod, c, reasonRun, err)
	}
	w.event(pod, c, corev1.EventTypeNormal, "Started", "Container started")
	delete(w.waiting, c.Name)
	w.resizes[id] = resourcesKey(c)
	for _, old := range v.older { // the one before stays, for its log
		delete(w.exits, old)
		if err := rt.RemoveContainer(ctx, old); err != nil {
			return err
		}
	}
	if c.Lifecycle == nil || c.Lifecycle.PostStart == nil {
		return nil
	}
	if err := w.runHook(ctx, pod, c, id, c.Lifecycle.PostStart); err != nil && ctx.Err() == nil {
		w.event(pod, c, corev1.EventTypeWarning, "FailedPostStartHook", "PostStartHook failed")
		w.waiting[c.Name] = corev1.ContainerStateWaiting{Reason: reasonHook, Message: err.Error()}
		return rt.StopContainer(ctx, id, 0)
	}
	return nil
}

// cannot tells why a container does not start.
func (w *worker) cannot(ctx context.Context, pod *corev1.Pod, c *corev1.Container, reason string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.waiting[c.Name] = corev1.ContainerStateWaiting{Reason: reason, Message: err.Error()}
	w.event(pod, c, corev1.EventTypeWarning, "Failed", "Error: %s", err)
	return fmt.Errorf("start container %s: %w", c.Name, err)
}

// hashOf tells one definition of a container from another as far as it makes
// the container anew.
func hashOf(c *corev1.Container) string {
	h := fnv.New32a()
	h.Write([]byte(c.Name + "\x00" + c.Image)) //nolint:errcheck // never fails
	return strconv.FormatUint(uint64(h.Sum32()), 16)
}

// containerConfig is the container as the runtime is told about it.
func (w *worker) containerConfig(ctx context.Context, pod *corev1.Pod, o *observed, c *corev1.Container, attempt int, target string) (*cri.ContainerConfig, error) {
	env, err := w.environment(ctx, pod, c, o.ips(w.agent, pod))
	if err != nil {
		return nil, err
	}
	var mounts []*cri.Mount
	if w.agent.pretends == nil {
		if mounts, err = w.mounts(ctx, pod, c, attempt, env); err != nil {
			return nil, err
		}
	}
	image, err := w.agent.Runtime.ImageStatus(ctx, c.Image)
	if err != nil {
		return nil, err
	}
	if image == nil {
		return nil, fmt.Errorf("image %q is gone", c.Image)
	}
	security, err := securityOf(pod, c, image)
	if err != nil {
		return nil, err
	}
	if target != "" {
		if v := o.view(target); v.running {
			security.NamespaceOptions.Pid, security.NamespaceOptions.TargetId = cri.NamespaceMode_TARGET, v.id
		}
	}
	config := &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: c.Name, Attempt: uint32(attempt)},
		Image:    &cri.ImageSpec{Image: image.Id, UserSpecifiedImage: c.Image},
		Command:  expandAll(c.Command, env), Args: expandAll(c.Args, env), WorkingDir: c.WorkingDir,
		Mounts:  mounts,
		LogPath: filepath.Join(c.Name, strconv.Itoa(attempt)+".log"),
		Stdin:   c.Stdin, StdinOnce: c.StdinOnce, Tty: c.TTY,
		Labels: map[string]string{
			runtime.LabelPodName: pod.Name, runtime.LabelPodNamespace: pod.Namespace, runtime.LabelPodUID: string(pod.UID), runtime.LabelContainerName: c.Name,
		},
		Annotations: w.annotations(pod, c, attempt),
		Linux:       &cri.LinuxContainerConfig{Resources: resourcesOf(c), SecurityContext: security},
	}
	for _, e := range env {
		config.Envs = append(config.Envs, &cri.KeyValue{Key: e.name, Value: []byte(e.value)})
	}
	if w.agent.pretends != nil {
		return config, nil
	}
	return config, os.MkdirAll(filepath.Join(w.agent.logDir(pod), c.Name), 0o755)
}

// annotations are what the agent and the runtime want to know of a container.
func (w *worker) annotations(pod *corev1.Pod, c *corev1.Container, attempt int) map[string]string {
	return map[string]string{
		annotationHash: hashOf(c), annotationLast: w.messageFile(pod, c, attempt),
		annotationPolicy: string(c.TerminationMessagePolicy), annotationGrace: graceAnnotation(pod),
		runtime.AnnotationKind: kindOf(pod, c), runtime.AnnotationRestartPolicy: string(pod.Spec.RestartPolicy),
	}
}

// kindOf says what part a container has in its pod.
func kindOf(pod *corev1.Pod, c *corev1.Container) string {
	named := func(o corev1.Container) bool { return o.Name == c.Name }
	switch {
	case slices.ContainsFunc(pod.Spec.InitContainers, named) && sidecar(c):
		return runtime.KindSidecar
	case slices.ContainsFunc(pod.Spec.InitContainers, named):
		return runtime.KindInit
	case slices.ContainsFunc(pod.Spec.Containers, named):
		return runtime.KindContainer
	}
	return runtime.KindEphemeral
}

// securityOf merges what the pod and the container say.
func securityOf(pod *corev1.Pod, c *corev1.Container, image *cri.Image) (*cri.LinuxContainerSecurityContext, error) {
	s := &cri.LinuxContainerSecurityContext{
		NamespaceOptions: namespacesOf(pod), Capabilities: &cri.Capability{},
		MaskedPaths: maskedPaths, ReadonlyPaths: readonlyPaths,
		Seccomp: &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault},
	}
	p, own := pod.Spec.SecurityContext, c.SecurityContext
	if p == nil {
		p = &corev1.PodSecurityContext{}
	}
	if own == nil {
		own = &corev1.SecurityContext{}
	}
	user, group, nonRoot := own.RunAsUser, own.RunAsGroup, own.RunAsNonRoot
	if user == nil {
		user = p.RunAsUser
	}
	if group == nil {
		group = p.RunAsGroup
	}
	if nonRoot == nil {
		nonRoot = p.RunAsNonRoot
	}
	switch {
	case user != nil:
		s.RunAsUser = &cri.Int64Value{Value: *user}
	case image.Uid != nil:
		s.RunAsUser = image.Uid
	default:
		s.RunAsUsername = image.Username
	}
	if group != nil {
		if s.RunAsUser == nil && s.RunAsUsername == "" {
			s.RunAsUser = &cri.Int64Value{}
		}
		s.RunAsGroup = &cri.Int64Value{Value: *group}
	}
	if nonRoot != nil && *nonRoot {
		switch {
		case s.RunAsUser != nil && s.RunAsUser.Value == 0:
			return nil, fmt.Errorf("container's runAsUser breaks non-root policy (pod: %q, container: %s)", pod.Name+"_"+pod.Namespace+"("+string(pod.UID)+")", c.Name)
		case s.RunAsUser == nil && s.RunAsUsername != "":
			return nil, fmt.Errorf("container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is non-root (pod: %q, container: %s)", s.RunAsUsername, pod.Name+"_"+pod.Namespace+"("+string(pod.UID)+")", c.Name)
		case s.RunAsUser == nil:
			return nil, fmt.Errorf("container has runAsNonRoot and image will run as root (pod: %q, container: %s)", pod.Name+"_"+pod.Namespace+"("+string(pod.UID)+")", c.Name)
		}
	}
	s.SupplementalGroups = append(s.SupplementalGroups, p.SupplementalGroups...)
	if p.FSGroup != nil {
		s.SupplementalGroups = append(s.SupplementalGroups, *p.FSGroup)
	}
	if own.Capabilities != nil {
		for _, k := range own.Capabilities.Add {
			s.Capabilities.AddCapabilities = append(s.Capabilities.AddCapabilities, string(k))
		}
		for _, k := range own.Capabilities.Drop {
			s.Capabilities.DropCapabilities = append(s.Capabilities.DropCapabilities, string(k))
		}
	}
	s.Privileged = own.Privileged != nil && *own.Privileged
	s.ReadonlyRootfs = own.ReadOnlyRootFilesystem != nil && *own.ReadOnlyRootFilesystem
	s.NoNewPrivs = own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation
	if profile := seccompOf(p, own); profile != nil {
		s.Seccomp = profile
	}
	if s.Privileged || own.ProcMount != nil && *own.ProcMount == corev1.UnmaskedProcMount {
		s.MaskedPaths, s.ReadonlyPaths = nil, nil
	}
	return s, nil
}

func seccompOf(p *corev1.PodSecurityContext, own *corev1.SecurityContext) *cri.SecurityProfile {
	profile := own.SeccompProfile
	if profile == nil {
		profile = p.SeccompProfile
	}
	if profile == nil {
		return nil
	}
	switch profile.Type {
	case corev1.SeccompProfileTypeUnconfined:
		return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Unconfined}
	case corev1.SeccompProfileTypeLocalhost:
		if profile.LocalhostProfile != nil {
			return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Localhost, LocalhostRef: *profile.LocalhostProfile}
		}
	}
	return nil
}

// What containers do not see of /proc and /sys, as with kubelets.
var (
	maskedPaths = []string{
		"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
	}
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// resourcesOf gives the limits in the kernel's units.
func resourcesOf(c *corev1.Container) *cri.LinuxContainerResources {
	const period = 100_000
	r := &cri.LinuxContainerResources{CpuPeriod: period, OomScoreAdj: 1000}
	request, asked := c.Resources.Requests[corev1.ResourceCPU]
	limit, limited := c.Resources.Limits[corev1.ResourceCPU]
	if !asked && limited {
		request = limit
	}
	r.CpuShares = max(2, request.MilliValue()*1024/1000)
	if limited && !limit.IsZero() {
		r.CpuQuota = max(1000, limit.MilliValue()*period/1000)
	}
	if memory, ok := c.Resources.Limits[corev1.ResourceMemory]; ok {
		r.MemoryLimitInBytes = memory.Value()
	}
	return r
}

func resourcesKey(c *corev1.Container) string {
	r := resourcesOf(c)
	return fmt.Sprint(r.CpuShares, r.CpuQuota, r.MemoryLimitInBytes)
}

// resize gives a running container other limits.
func (w *worker) resize(ctx context.Context, pod *corev1.Pod, c *corev1.Container, v *view) error {
	want := resourcesKey(c)
	if old, known := w.resizes[v.id]; old == want || !known {
		w.resizes[v.id] = want
		return nil
	}
	if err := w.agent.Runtime.UpdateContainerResources(ctx, v.id, resourcesOf(c)); err != nil {
		w.event(pod, c, corev1.EventTypeWarning, "ResizeError", "Error: %s", err)
		return err
	}
	w.resizes[v.id] = want
	return nil
}

// dnsOf gives what the pod's resolv.conf says, as its policy has it. What a
// network of the agent's own has for it comes first.
func (a *Agent) dnsOf(pod *corev1.Pod) *cri.DNSConfig {
	d := hostDNS()
	switch {
	case pod.Spec.DNSPolicy == corev1.DNSNone:
		d = &cri.DNSConfig{}
	case a.network != nil && (!pod.Spec.HostNetwork || pod.Spec.DNSPolicy == corev1.DNSClusterFirstWithHostNet):
		d = a.network.dnsOf(pod, d)
	}
	if c := pod.Spec.DNSConfig; c != nil {
		d.Servers = append(d.Servers, c.Nameservers...)
		d.Searches = append(d.Searches, c.Searches...)
		for _, o := range c.Options {
			if o.Value != nil {
				d.Options = append(d.Options, o.Name+":"+*o.Value)
			} else {
				d.Options = append(d.Options, o.Name)
			}
		}
	}
	return d
}

// hostDNS reads the node's resolv.conf.
func hostDNS() *cri.DNSConfig {
	d := &cri.DNSConfig{}
	b, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return d
	}
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			d.Servers = append(d.Servers, words[1])
		case "search":
			d.Searches = words[1:]
		case "options":
			d.Options = words[1:]
		}
	}
	return d
}

// podDir is where a pod's volumes and the like are.
func (a *Agent) podDir(pod *corev1.Pod, more ...string) string {
	return filepath.Join(append([]string{a.Dir, "pods", string(pod.UID)}, more...)...)
}

// logDir is where the logs of a pod's containers are, named as kubelets do.
func (a *Agent) logDir(pod *corev1.Pod) string {
	return filepath.Join(a.Dir, "logs", strings.Join([]string{pod.Namespace, pod.Name, string(pod.UID)}, "_"))
}

// logUID gives the pod's uid of a log folder's name.
func logUID(name string) string { return name[strings.LastIndexByte(name, '_')+1:] }

func (a *Agent) removeLogs(pod *corev1.Pod) error { return os.RemoveAll(a.logDir(pod)) }

// writeHosts makes the pod's /etc/hosts.
func (w *worker) writeHosts(pod *corev1.Pod, o *observed) error {
	var b strings.Builder
	b.WriteString("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n")
	if pod.Spec.HostNetwork {
		own, err := os.ReadFile("/etc/hosts")
		if err == nil {
			b.Reset()
			b.WriteString("# Kubernetes-managed hosts file (host network).\n")
			b.Write(own)
		}
	}
	host := hostnameOf(pod, w.agent.Hostname)
	for _, ip := range o.ips(w.agent, pod) {
		if pod.Spec.Subdomain != "" {
			fmt.Fprintf(&b, "%s\t%s.%s.%s.svc.cluster.local\t%s\n", ip, host, pod.Spec.Subdomain, pod.Namespace, host)
		} else {
			fmt.Fprintf(&b, "%s\t%s\n", ip, host)
		}
	}
	if len(pod.Spec.HostAliases) > 0 {
		b.WriteString("\n# Entries added by HostAliases.\n")
		for _, alias := range pod.Spec.HostAliases {
			fmt.Fprintf(&b, "%s\t%s\n", alias.IP, strings.Join(alias.Hostnames, "\t"))
		}
	}
	if err := os.MkdirAll(w.agent.podDir(pod), 0o750); err != nil {
		return err
	}
	return os.WriteFile(w.agent.podDir(pod, "etc-hosts"), []byte(b.String()), 0o644)
}

// messageFile is where a container leaves its last words, blank without a path.
func (w *worker) messageFile(pod *corev1.Pod, c *corev1.Container, attempt int) string {
	if c.TerminationMessagePath == "" {
		return ""
	}
	return w.agent.podDir(pod, "containers", c.Name, strconv.Itoa(attempt))
}

const (
	// maxMessage and maxLines bound the last words of a container.
	maxMessage = 4096
	maxLines   = 80
)

// lastWords reads what a container has left behind for its status.
func (w *worker) lastWords(pod *corev1.Pod, c *corev1.Container, s *cri.ContainerStatus) string {
	file := s.Annotations[annotationLast]
	if file != "" {
		if b, err := readEnd(file, maxMessage); err == nil && len(b) > 0 {
			return string(b)
		}
	}
	if s.ExitCode == 0 || s.Annotations[annotationPolicy] != string(corev1.TerminationMessageFallbackToLogsOnError) || s.LogPath == "" {
		return ""
	}
	tail, err := tailOf(s.LogPath, maxLines, maxMessage/2)
	if err != nil {
		return ""
	}
	return tail
}

func readEnd(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a file")
	}
	b := make([]byte, min(most, info.Size()))
	_, err = f.ReadAt(b, info.Size()-int64(len(b)))
	return b, err
}

// within tells a path of a container that leads nowhere but down.
func within(p string) bool {
	return p == "" || !path.IsAbs(p) && filepath.IsLocal(p)
}
